import { RivuletError } from '../errors.js';
import type { LayerTrace } from '../index.js';
import { formatCsvLine } from '../io/csv.js';
import { writeNpy } from '../io/npy.js';
import type { HeatMap, HeatPanel } from './chart/heat-map.js';

/** What the gates are called where there is room, with the names that introductory guides give them. */
const TITLES: Readonly<Record<string, string>> = {
  forget: 'forget gate: the share of each cell that is kept',
  input: 'input gate',
  candidate: 'candidate',
  output: 'output gate',
  learn: 'learn gate: input × candidate, what enters',
  remember: 'remember gate: the new cell, long-term memory',
  use: 'use gate: output × tanh(cell), short-term memory',
  reset: 'reset gate: the share of the state that the candidate sees',
  update: 'update gate: the share of the state that is kept',
  hidden: 'hidden state',
};

/** Gates that are shares, from 0 to 1. */
const SHARES = ['forget', 'input', 'output', 'reset', 'update'];

/** What is drawn unless gates are named. */
const DRAWN: Readonly<Record<LayerTrace['op'], readonly string[]>> = {
  LSTM: ['forget', 'learn', 'remember', 'use'],
  GRU: ['reset', 'update', 'candidate', 'hidden'],
  RNN: ['hidden'],
};

interface TracedLayer {
  name: string;
  op: LayerTrace['op'];
  /** By name, a row of units for each step. */
  gates: Map<string, Float32Array[]>;
}

/** The gates of several steps, ready to be written. The hidden state counts as one. */
export class TraceView {
  private readonly steps: string[] = [];
  private readonly layers: TracedLayer[] = [];

  /** @param layer the one to keep, where not all are @param gates those to keep, where not all are */
  constructor(
    private readonly model: string,
    private readonly layer: string | undefined,
    private readonly gates: readonly string[],
  ) {}

  /**
   * @param label what was read
   * @throws RivuletError `INVALID_INPUT` for a layer or gate that the model lacks
   */
  add(label: string, traces: readonly LayerTrace[]): void {
    const kept = traces.filter(({ name }) => this.layer === undefined || name === this.layer);
    if (kept.length === 0) {
      throw new RivuletError('INVALID_INPUT', `Model "${this.model}" has no such recurrent layer`, {
        expected: traces.map(({ name }) => name).join(', ') || 'a recurrent layer',
        found: this.layer ?? 'none',
      });
    }
    this.steps.push(label);
    for (const [i, { name, op, gates, hidden }] of kept.entries()) {
      const all = { ...gates, hidden };
      const missing = this.gates.find((gate) => !(gate in all));
      if (missing !== undefined) {
        throw new RivuletError('INVALID_INPUT', `An ${op} has no such gate`, {
          node: name,
          expected: Object.keys(all).join(', '),
          found: missing,
        });
      }
      this.layers[i] ??= { name, op, gates: new Map() };
      for (const [gate, values] of Object.entries(all)) {
        if (this.gates.length > 0 && !this.gates.includes(gate)) continue;
        const rows = this.layers[i].gates.get(gate) ?? [];
        rows.push(values);
        this.layers[i].gates.set(gate, rows);
      }
    }
  }

  /** A line for each step: what was read, then every unit of every gate of every layer. */
  csv(): string {
    const all = this.layers.flatMap(({ name, gates }) => [...gates].map(([gate, rows]) => ({ name, gate, rows })));
    const names = all.flatMap(({ name, gate, rows }) => Array.from(rows[0], (_, unit) => `${name}.${gate}.${unit}`));
    const lines = this.steps.map((label, t) => {
      // Apart, so that numbers are written as float32.
      const numbers = formatCsvLine(Float32Array.from(all.flatMap(({ rows }) => Array.from(rows[t]))));
      return `${formatCsvLine([label])},${numbers}\n`;
    });
    return `${formatCsvLine(['input', ...names])}\n${lines.join('')}`;
  }

  /** `{ model, input: [T], layers: [{ name, op, gates: { name: [T][units] } }] }` */
  json(): string {
    const layers = this.layers.map(({ name, op, gates }) => ({
      name,
      op,
      gates: Object.fromEntries([...gates].map(([gate, rows]) => [gate, rows.map((row) => Array.from(row))])),
    }));
    return `${JSON.stringify({ model: this.model, input: this.steps, layers })}\n`;
  }

  /**
   * [T, layers, gates, units], gates in the order of the CSV's columns.
   * @throws RivuletError `INVALID_INPUT` where layers differ in gates or units
   */
  npy(): Uint8Array {
    const shapes = this.layers.map(({ gates }) => [...gates].map(([gate, rows]) => `${gate} ${rows[0].length}`));
    const [[first]] = shapes;
    const units = this.layers[0].gates.values().next().value?.[0].length ?? 0;
    if (
      shapes.some((shape) => shape.join() !== shapes[0].join() || shape.some((gate) => !gate.endsWith(` ${units}`)))
    ) {
      throw new RivuletError('INVALID_INPUT', "What is traced doesn't fit one array", {
        expected: `as many units everywhere as in ${first}`,
        found: shapes.map((shape) => shape.join(', ')).join('; '),
        hint: 'Choose with --layer and --gate, or write CSV or JSON',
      });
    }
    const data = this.steps.flatMap((_, t) =>
      this.layers.flatMap(({ gates }) => [...gates.values()].flatMap((rows) => Array.from(rows[t]))),
    );
    return writeNpy(Float32Array.from(data), [this.steps.length, this.layers.length, shapes[0].length, units]);
  }

  /** Time across, units down, a panel for each gate. */
  heatMap(xTitle: string): HeatMap {
    const panels = this.layers.flatMap(({ name, op, gates }) =>
      [...gates]
        .filter(([gate]) => this.gates.length > 0 || DRAWN[op].includes(gate))
        .map(([gate, rows]): HeatPanel => {
          const units = rows[0].length;
          const values = Float32Array.from({ length: units * rows.length }, (_, i) => {
            return rows[i % rows.length][Math.floor(i / rows.length)];
          });
          const most = Math.max(...values.map(Math.abs).filter(Number.isFinite), 1e-6);
          const range = SHARES.includes(gate) ? ([0, Math.max(1, most)] as const) : ([-most, most] as const);
          return { title: `${name} (${op}), ${TITLES[gate]}`, rows: units, values, range };
        }),
    );
    const names = this.layers.map(({ name }) => name).join(', ');
    return {
      title: `Gates of "${this.model}"`,
      subtitle: `activations of every unit of ${names} at each step`,
      xTitle,
      yTitle: 'unit',
      xLabels: this.steps,
      panels,
    };
  }
}
