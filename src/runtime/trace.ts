import { activationArguments } from '../ops/activations.js';
import { KERNEL_CODES } from '../ops/kernels.js';
import type { PlanCall } from '../plan/plan.js';
import type { Engine } from './engine.js';

/**
 * What one recurrent layer computed in one step, as the kernels did, to the bit.
 *
 * | gate | an LSTM's | in introductory guides |
 * | --- | --- | --- |
 * | `forget` | share of each cell that is kept | forget gate |
 * | `input` | share of the candidate that enters | |
 * | `candidate` | what may enter the cell (tanh) | |
 * | `output` | share of the cell that is shown | |
 * | `learn` | input x candidate: what enters the cell | learn gate |
 * | `remember` | forget x cell before + learn: the new cell, the long-term memory | remember gate |
 * | `use` | output x tanh(remember): the new hidden state, the short-term memory, before a projection | use gate |
 *
 * A GRU has `reset` (share of the hidden state that the candidate sees), `update` (share that is kept) and `candidate`; a
 * plain RNN has none.
 */
export interface LayerTrace {
  /** The graph's node. */
  name: string;
  op: 'LSTM' | 'GRU' | 'RNN';
  /** By name, `[hidden]` each. */
  gates: Readonly<Record<string, Float32Array>>;
  /** The hidden state after the step: `[hidden]`, or as wide as an LSTM projects it. */
  hidden: Float32Array;
  /** The cell state after the step, `[hidden]`; an LSTM's only. */
  cell?: Float32Array;
}

/** One step, seen from within. */
export interface Trace<Output> {
  /** What `step` would have given, an array of its own. */
  output: Output;
  /** The recurrent layers, in the order in which they run. */
  layers: LayerTrace[];
}

const UNIT_BLOCK = 4;
/** float32 in a panel: assembly/product.ts. */
const PANEL = 16;

/**
 * Reads gates where the kernels leave them. After a cell's call for one row, its scratch begins with the pre-activations
 * (assembly/lstm.ts, gru.ts and rnn.ts say how they lie); the activations are the kernels' own.
 */
export class Tracer {
  /** A program of one call, and the row that it works on, in place. */
  private readonly call: number;
  private readonly words: number;
  private readonly row: number;

  constructor(private readonly engine: Engine) {
    const { arena, plan } = engine;
    const widest = Math.max(0, ...plan.calls.map(({ arguments: { H } }) => (typeof H === 'number' ? H : 0)));
    this.call = arena.reserve(8);
    this.words = arena.reserve(32);
    this.row = arena.reserve((widest + UNIT_BLOCK) * 4);
    arena.u32.set([KERNEL_CODES.get('activation')!, this.words], this.call / 4);
  }

  /** Runs the step whose inputs are attached, call by call, on a slot that holds the state before it. */
  run(slot: number): LayerTrace[] {
    const { engine } = this;
    const { arena, plan, program } = engine;
    for (const input of engine.inputs) input.write(arena, 0, 0, 0);
    arena.u32[program.slotList / 4] = slot;
    return plan.calls.flatMap((call, i) => {
      const cell = new Cell(engine, call, i, slot);
      const before = 'c' in call.arguments ? cell.state('c', 'H') : undefined;
      engine.kernels.execute(program.address + 8 * i, 1, program.slotList, 1, 1);
      switch (cell.kernel) {
        case 'lstm':
          return [this.lstm(cell, before!)];
        case 'gru':
        case 'gruResetBefore':
          return [this.gru(cell)];
        case 'rnn':
          return [{ name: call.node, op: 'RNN', gates: {}, hidden: cell.state('h', 'H') } satisfies LayerTrace];
        default:
          return [];
      }
    });
  }

  private lstm(cell: Cell, before: Float32Array): LayerTrace {
    const after = cell.state('c', 'H');
    const [i, o, f, c] = [0, 1, 2, 3].map((gate) => cell.scratch(0, 4, gate));
    if (cell.peepholes) {
      cell.addPeephole(i, 0, before);
      cell.addPeephole(o, 1, after);
      cell.addPeephole(f, 2, before);
    }
    const input = this.activate(cell, 0, i);
    const forget = cell.coupled ? input.map((x) => 1 - x) : this.activate(cell, 0, f);
    const candidate = this.activate(cell, 1, c);
    const output = this.activate(cell, 0, o);
    const shown = this.activate(cell, 2, after, false);
    return {
      name: cell.name,
      op: 'LSTM',
      gates: {
        forget,
        input,
        candidate,
        output,
        learn: times(input, candidate),
        remember: after,
        use: times(output, shown),
      },
      hidden: cell.state('h', cell.word('projection') ? 'P' : 'H'),
      cell: after.slice(),
    };
  }

  private gru(cell: Cell): LayerTrace {
    const blocks = Math.ceil(cell.hidden / UNIT_BLOCK);
    let [z, r, h]: Float32Array[] = [];
    if (cell.kernel === 'gru') {
      const ofState = Math.ceil((3 * blocks) / UNIT_BLOCK) * PANEL;
      const [input, state] = [0, ofState].map((from) => [0, 1, 2].map((gate) => cell.scratch(from, 3, gate)));
      [z, r] = [0, 1].map((gate) => this.activate(cell, 0, plus(input[gate], state[gate])));
      h = plus(input[2], times(r, state[2]));
    } else {
      [z, r] = [0, 1].map((gate) => this.activate(cell, 0, cell.scratch(0, 2, gate)));
      h = cell.scratch(Math.ceil(blocks / 2) * PANEL, 1, 0);
    }
    const gates = { reset: r, update: z, candidate: this.activate(cell, 1, h) };
    return { name: cell.name, op: 'GRU', gates, hidden: cell.state('h', 'H') };
  }

  /** Activation `index` of the cell (ONNX's f, g, h) of what the kernel clips and activates. */
  private activate(cell: Cell, index: number, values: Float32Array, clipped = true): Float32Array {
    const { arena, program, kernels } = this.engine;
    const { clip } = cell;
    const bytes = Math.ceil(values.length / UNIT_BLOCK) * UNIT_BLOCK * 4;
    arena.u32.set([this.row, 0, this.row, 0, bytes, ...cell.activation(index)], this.words / 4);
    arena.f32.set(clipped && clip > 0 ? values.map((x) => Math.min(Math.max(x, -clip), clip)) : values, this.row / 4);
    kernels.execute(this.call, 1, program.slotList, 1, 1);
    return arena.f32.slice(this.row / 4, this.row / 4 + values.length);
  }
}

/** Where a cell's numbers lie, after its call for one row. */
class Cell {
  readonly name: string;
  /** The kernel, whatever the type of the weights. */
  readonly kernel: string;
  readonly hidden: number;
  private readonly names: string[];
  private readonly words: number;
  /** Index of the record of extras; 0 for the plain cell. */
  private readonly extras: number;

  constructor(
    private readonly engine: Engine,
    { node, kernel, arguments: args }: PlanCall,
    index: number,
    private readonly slot: number,
  ) {
    const { arena, program } = engine;
    this.name = node;
    this.kernel = kernel.replace(/Int8$|Bfloat16$/, '');
    this.names = Object.keys(args);
    this.words = arena.u32[program.address / 4 + 2 * index + 1] / 4;
    this.hidden = 'H' in args ? this.word('H') : 0;
    this.extras = 'extras' in args ? this.word('extras') / 4 : 0;
  }

  /** An argument of the call. */
  word(name: string): number {
    return this.engine.arena.u32[this.words + this.names.indexOf(name)];
  }

  /** A state of the stream's, as long as the argument `size` says. */
  state(name: string, size: string): Float32Array {
    const at = (this.slot + this.word(name)) / 4;
    return this.engine.arena.f32.slice(at, at + this.word(size));
  }

  /** One of `gates` pre-activations, which lie in blocks of four units, from float32 `from` of the scratch. */
  scratch(from: number, gates: number, gate: number): Float32Array {
    const at = this.word('scratch') / 4 + from + UNIT_BLOCK * gate;
    const { f32 } = this.engine.arena;
    const blockOf = (unit: number) => UNIT_BLOCK * gates * Math.floor(unit / UNIT_BLOCK);
    return Float32Array.from({ length: this.hidden }, (_, unit) => f32[at + blockOf(unit) + (unit % UNIT_BLOCK)]);
  }

  /** Index of the peephole weights, or 0. */
  get peepholes(): number {
    return this.extras && this.engine.arena.u32[this.extras] / 4;
  }

  get clip(): number {
    return this.extras && this.engine.arena.f32[this.extras + 1];
  }

  get coupled(): boolean {
    return this.extras > 0 && this.engine.arena.u32[this.extras + 2] !== 0;
  }

  /** Adds a gate's view of the cell state to its pre-activations. */
  addPeephole(pre: Float32Array, gate: number, state: Float32Array): void {
    const from = this.peepholes + gate * Math.ceil(this.hidden / UNIT_BLOCK) * UNIT_BLOCK;
    pre.set(plus(pre, times(this.engine.arena.f32.subarray(from, from + this.hidden), state)));
  }

  /** Code, alpha and beta of an activation, as words. */
  activation(index: number): Iterable<number> {
    if (this.extras) return this.engine.arena.u32.slice(this.extras + 3 + 3 * index, this.extras + 6 + 3 * index);
    return [activationArguments(index === 0 ? 'Sigmoid' : 'Tanh').code, 0, 0];
  }
}

// A product or a sum of two float32 is exact in float64, or rounds to float32 as if it were: the kernels' own bits.

function times(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((x, i) => x * b[i]);
}

function plus(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((x, i) => x + b[i]);
}
