import type { Detector } from '../sequences/index.js';
import { listed } from './chart/axis.js';
import type { LineChart } from './chart/line-chart.js';
import type { Reading } from './live.js';

/** What a detector said of many readings, to be drawn. */
export class DetectionView {
  private readonly labels: string[] = [];
  private readonly scores: number[] = [];
  private axis: string | undefined;
  /** The columns that are drawn: those that are expected, or all. */
  readonly shown: readonly string[];
  /** By column drawn. */
  private readonly came: number[][];
  private readonly expected: number[][];

  constructor(private readonly detector: Detector) {
    this.shown = detector.targets.length > 0 ? detector.targets : detector.columns;
    const empty = () => this.shown.map((): number[] => []);
    this.came = empty();
    this.expected = empty();
  }

  add(label: Reading['label'], came: readonly number[], expected: ArrayLike<number>, score: number): void {
    this.axis ??= label?.name;
    this.labels.push(label?.value ?? String(this.labels.length));
    this.scores.push(score);
    for (const [target, value] of came.entries()) {
      this.came[target].push(value);
      this.expected[target].push(expected[target]);
    }
  }

  /** A panel for each column, anomalies marked, and one for the score and its threshold. */
  chart(model: string): LineChart {
    const { shown } = this;
    const { targets, threshold } = this.detector;
    const flagged = this.scores.map((score) => score >= threshold);
    const marked = (values: readonly number[]) => values.map((value, i) => (flagged[i] ? value : Number.NaN));
    const total = flagged.filter(Boolean).length;
    return {
      title: `Anomalies in ${listed(shown)}`,
      subtitle: `model "${model}": ${total} of ${flagged.length} readings score ${threshold} or more`,
      xTitle: this.axis ?? 'reading',
      xLabels: this.labels,
      panels: [
        ...shown.map((name, i) => ({
          yTitle: name,
          lines: [
            // Below what came, of which a good forecast leaves little to be seen.
            ...(targets.length > 0
              ? [{ name: 'expected', colour: '#1b6ca8', start: 0, values: this.expected[i] }]
              : []),
            { name: 'what came', colour: '#444', start: 0, values: this.came[i] },
            { name: 'anomaly', colour: '#d95f02', isDots: true, start: 0, values: marked(this.came[i]) },
          ],
        })),
        {
          yTitle: targets.length > 0 ? 'score: -log10(p)' : 'score',
          lines: [
            { name: 'score', colour: '#444', start: 0, values: this.scores },
            {
              name: 'threshold',
              colour: '#d95f02',
              isDashed: true,
              start: 0,
              values: this.scores.map(() => threshold),
            },
          ],
        },
      ],
    };
  }
}
