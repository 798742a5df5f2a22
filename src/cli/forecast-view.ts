import { formatCsvLine } from '../io/csv.js';
import type { ForecastTask } from '../sequences/index.js';
import { listed } from './chart/axis.js';
import type { Line, LineChart } from './chart/line-chart.js';
import { labelsAfter } from './labels.js';
import type { Readings } from './readings.js';

/** As many digits as a float32 has, which is what a model computes with. */
export const printed = (value: number): number => Number(value.toPrecision(7));

/** One forecast and what surrounds it, in the data's own units. */
export class ForecastView {
  /** What the rows that are forecast are called. */
  private readonly ahead: readonly string[];
  /** How many of them the file has. */
  private readonly came: number;

  /**
   * @param read rows read before the forecast was made
   * @param values [horizon, targets]
   */
  constructor(
    private readonly task: ForecastTask,
    private readonly readings: Readings,
    private readonly read: number,
    private readonly values: Float64Array,
  ) {
    const { labels, rows } = readings;
    this.came = Math.min(task.horizon, rows - read);
    const known = labels?.values.slice(0, read + this.came) ?? [];
    this.ahead = [...known.slice(read), ...labelsAfter(known, task.horizon - this.came)];
  }

  /** A line for each step ahead: its label, the targets and, where the file has them, what they were. */
  csv(): string {
    const { targets } = this.task;
    const hasActuals = this.came > 0;
    const head = [
      this.readings.labels?.name ?? 'step',
      ...targets,
      ...(hasActuals ? targets.map((name) => `${name} actual`) : []),
    ];
    const lines = this.ahead.map((label, step) => [
      label,
      ...targets.map((_, target) => this.forecast(step, target)),
      ...(hasActuals ? targets.map((_, target) => (step < this.came ? this.actual(step, target) : '')) : []),
    ]);
    return [head, ...lines].map((line) => `${formatCsvLine(line)}\n`).join('');
  }

  /** History, forecast and what came, a panel for each target. */
  chart(name: string, history: number): LineChart {
    const { columns, targets, horizon, step = 'step' } = this.task;
    const { labels, data } = this.readings;
    const first = Math.max(0, this.read - history);
    const shown = this.read - first;
    const panels = targets.map((title, target) => {
      const past = Array.from({ length: shown }, (_, i) => data[(first + i) * columns.length + columns.indexOf(title)]);
      const joined = (length: number, next: (i: number) => number) => ({
        start: shown - 1,
        values: [past[shown - 1], ...Array.from({ length }, (_, i) => next(i))],
      });
      const lines: Line[] = [{ name: 'history', colour: '#444', start: 0, values: past }];
      if (this.came > 0) {
        lines.push({ name: 'what came', colour: '#d95f02', ...joined(this.came, (i) => this.actual(i, target)) });
      }
      const ahead = joined(horizon, (i) => this.forecast(i, target));
      lines.push({ name: 'forecast', colour: '#1b6ca8', isDashed: true, ...ahead });
      return { yTitle: title, lines };
    });
    const known = labels?.values.slice(first, this.read);
    const when = known?.[shown - 1] ?? `row ${this.read - 1}`;
    return {
      title: `Forecast of ${listed(targets)}`,
      subtitle: `model "${name}", the ${horizon === 1 ? step : `${horizon} steps`} after ${when}${horizon === 1 ? '' : `, one ${step} each`}`,
      xTitle: labels?.name ?? step,
      xLabels: [...(known ?? Array.from({ length: shown }, (_, i) => String(first + i))), ...this.ahead],
      panels,
      divider: { at: shown - 1, label: 'read up to here' },
    };
  }

  private forecast(step: number, target: number): number {
    return printed(this.values[step * this.task.targets.length + target]);
  }

  private actual(step: number, target: number): number {
    const { columns, targets } = this.task;
    return this.readings.data[(this.read + step) * columns.length + columns.indexOf(targets[target])];
  }
}
