import { RivuletError } from '../errors.js';
import { BATCH, type DataType, type Dim, type Graph, TIME } from '../graph/graph.js';
import { shown } from '../options.js';
import type { Plan, Planned, PlanPort } from '../plan/plan.js';
import type { Channel } from './channel.js';
import { Engine, type NonFinite } from './engine.js';
import { isFixed } from './fixed.js';
import type { Build, KernelSet } from './kernels.js';
import { format } from './snapshot.js';
import { isArray, Stream } from './stream.js';
import { summarize } from './summary.js';

/** An input or output of a model. */
export interface Port {
  name: string;
  type: DataType;
  /** As the graph declares it, with `T` for time steps and `N` for sequences side by side. */
  shape: readonly Dim[];
  /** Numbers for each step of each stream. */
  size: number;
}

/** A whole array with its shape, row-major. */
export interface ShapedArray<Data = ArrayLike<number>> {
  data: Data;
  shape: readonly number[];
}

/** A loaded model: the weights, and any number of streams over them. */
export class Model {
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Trained numbers in the file. */
  readonly parameterCount: number;
  /** Bytes of the weights as they are held in memory, packed. */
  readonly weightBytes: number;
  /** Bytes of one stream's state in memory. */
  readonly stateBytes: number;
  /** The build of the kernels that runs. */
  readonly kernels: Build;
  /** Free text that came with the model, e.g. a `vocabulary`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether `createStream` works; where it is false, `run` takes whole sequences. */
  readonly streamable: boolean;
  private readonly engine: Engine;
  private slots = new Int32Array(0);

  /** @internal Use `loadModel`. */
  constructor(graph: Graph, planned: Planned, kernels: KernelSet, nonFinite: NonFinite) {
    const { plan } = planned;
    this.engine = new Engine(planned, graph, nonFinite, kernels);
    this.name = plan.name;
    this.inputs = plan.inputs.map(publicPort);
    this.outputs = plan.outputs.map(publicPort);
    this.parameterCount = plan.parameters;
    this.weightBytes = plan.weightBytes;
    this.stateBytes = plan.slotBytes;
    this.kernels = this.engine.build;
    this.metadata = { ...graph.metadata };
    this.streamable = plan.wholeSequence === undefined;
  }

  /** 16 hexadecimal digits that tell this structure with these weights from any other; snapshots carry it. */
  get fingerprint(): string {
    return format(this.engine.fingerprint);
  }

  /** A new stream in the initial state, in constant time. */
  createStream(): Stream {
    this.ready().checkStreamable();
    return new Stream(this, this.engine);
  }

  /**
   * One step of each of n streams, any set of this model's, in any order: [n, inputs] -> [n, outputs]. Each gets the bits
   * that its own `step` would give. Without `out` the result is a new array.
   */
  stepMany(streams: readonly Stream[], inputs: ArrayLike<number>, out?: Float32Array): Float32Array {
    return this.runMany(streams, inputs, 1, out);
  }

  /** `steps` steps of each of n streams: [n, steps, inputs] -> [n, steps, outputs]. */
  runMany(streams: readonly Stream[], inputs: ArrayLike<number>, steps: number, out?: Float32Array): Float32Array {
    const engine = this.ready();
    engine.checkStreamable();
    if (!Number.isInteger(steps) || steps < 0) {
      throw new RivuletError('INVALID_INPUT', 'steps', { expected: 'a count', found: String(steps) });
    }
    if (engine.inputs.length !== 1 || engine.outputs.length !== 1) {
      throw new RivuletError('INVALID_INPUT', 'this model has several inputs or outputs', {
        hint: 'Step its streams one by one with records, or use model.run',
      });
    }
    const n = streams.length;
    const rows = n * steps;
    const slots = this.slotsOf(streams);
    const [input] = engine.inputs;
    const [output] = engine.outputs;
    input.checkLength(inputs, rows * input.port.size, 'input');
    const result = out ?? new Float32Array(rows * output.port.size);
    output.checkOut(result, rows * output.port.size);
    input.attach(inputs, steps);
    output.attach(result, steps);
    engine.checkInputs(rows, steps);
    engine.advance(slots, n, steps);
    return result;
  }

  /**
   * The whole graph at once on whole sequences, as its trainer would run it: shapes as the ports declare them, with any T
   * and N. Outputs come back by name, and so do the explicit states after the last step. Explicit states begin as given by
   * name among the inputs, the others as in a new stream. Works for bidirectional models too; no stream is touched.
   */
  run(inputs: Readonly<Record<string, ShapedArray>>): Record<string, ShapedArray<Float32Array>> {
    const engine = this.ready();
    const { carried } = engine.plan;
    const given = shapedArrays(inputs);
    const begun = carried.filter(({ input }) => given.has(input));
    const begins = begun.map(({ input, shape }) => ({ name: input, shape }));
    const free = [...given].filter(([name, { data }]) => !isFixed(engine.plan, name, data));
    const sizes = bindSymbols([...engine.plan.inputs, ...begins], new Map(free));
    const steps = sizes.get(TIME) ?? 1;
    const n = sizes.get(BATCH) ?? 1;
    for (const channel of engine.inputs) {
      const { data, shape } = given.get(channel.port.name)!;
      attachShaped(channel, data, shape);
    }
    const results = new Map<string, ShapedArray<Float32Array>>();
    const result = (name: string, dims: readonly Dim[]) => {
      const shape = dims.map((dim) => (typeof dim === 'number' ? dim : (sizes.get(dim) ?? 1)));
      const data = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
      results.set(name, { data, shape });
      return { data, shape };
    };
    for (const channel of engine.outputs) {
      const { data, shape } = result(channel.port.name, channel.port.shape);
      attachShaped(channel, data, shape);
    }
    engine.checkInputs(n * steps, steps);
    for (const { input } of begun) engine.checkState(input, given.get(input)!.data);
    const slots: number[] = [];
    try {
      while (slots.length < n) slots.push(engine.pool.take());
      for (const state of begun) {
        const { data, shape } = given.get(state.input)!;
        const { at, stride } = rowsOf(state.shape, shape, BATCH);
        for (const [s, slot] of slots.entries()) engine.writeCarried(slot, state, (i) => data[s * stride + at[i]]);
      }
      engine.advance(slots, n, steps);
      for (const state of carried) {
        if (results.has(state.output)) continue;
        const { data, shape } = result(state.output, state.shape);
        const { at, stride } = rowsOf(state.shape, shape, BATCH);
        for (const [s, slot] of slots.entries()) {
          for (const [i, value] of engine.readCarried(slot, state).entries()) data[s * stride + at[i]] = value;
        }
      }
    } finally {
      for (const slot of slots) engine.pool.give(slot);
    }
    return Object.fromEntries(results);
  }

  /** A table of layers, output shapes and parameters. */
  summary(): string {
    return summarize(this, this.engine.plan);
  }

  /** What runs, as data: values, states, kernel calls with their arguments. */
  plan(): Plan {
    return this.engine.plan;
  }

  /** Ends the model and all its streams; the memory goes when nothing refers to it any more. */
  dispose(): void {
    this.engine.disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private ready(): Engine {
    if (!this.engine.disposed) return this.engine;
    throw this.engine.gone();
  }

  private slotsOf(streams: readonly Stream[]): Int32Array {
    const call = this.engine.nextCall();
    // Kept from call to call: only a larger set than any before allocates.
    if (this.slots.length < streams.length) this.slots = new Int32Array(streams.length);
    const { slots } = this;
    for (let i = 0; i < streams.length; i++) {
      const stream = streams[i];
      if (stream?.engine !== this.engine) {
        throw new RivuletError('INVALID_INPUT', `stream ${i} is of another model`, {
          expected: `streams of "${this.name}"`,
          found: stream?.model ? `one of "${stream.model.name}"` : String(stream),
        });
      }
      if (stream.disposed) throw new RivuletError('DISPOSED', `stream ${i} was disposed of`);
      if (stream.mark === call) {
        throw new RivuletError('INVALID_INPUT', `stream ${i} is given twice`, { expected: 'each stream once' });
      }
      stream.mark = call;
      slots[i] = stream.slot;
    }
    return slots;
  }
}

function publicPort({ name, type, shape, size }: PlanPort): Port {
  return { name, type, shape: [...shape], size };
}

/** The inputs by name, each an array with its shape. */
function shapedArrays(inputs: Readonly<Record<string, ShapedArray>>): Map<string, ShapedArray> {
  const given = new Map(Object.entries(inputs ?? { inputs }).filter(([, value]) => value !== undefined));
  for (const [name, value] of given) {
    if (isArray(value?.data) && isArray(value.shape)) continue;
    throw new RivuletError('INVALID_INPUT', `input "${name}"`, {
      expected: '{ data: numbers, shape: [lengths] }',
      found: shown(value),
      hint: 'A stream takes plain arrays: model.createStream().run(numbers)',
    });
  }
  return given;
}

/** What T and N are, from the shapes given; every port must agree. */
function bindSymbols(
  ports: readonly Pick<PlanPort, 'name' | 'shape'>[],
  inputs: ReadonlyMap<string, ShapedArray>,
): Map<string, number> {
  const sizes = new Map<string, number>();
  const unknown = [...inputs.keys()].find((name) => !ports.some((port) => port.name === name));
  if (unknown !== undefined) throw shapeError(unknown, `inputs ${ports.map(({ name }) => name).join(', ')}`, unknown);
  for (const { name, shape } of ports) {
    const given = inputs.get(name);
    const expected = `[${shape.map((dim) => sizes.get(String(dim)) ?? dim).join(', ')}]`;
    if (!given) throw shapeError(name, `data of shape ${expected}`, 'nothing');
    const fits = (dim: Dim, axis: number) => {
      const length = given.shape[axis];
      if (!Number.isInteger(length) || length < 1) return false;
      if (typeof dim === 'number') return dim === length;
      if (!sizes.has(dim)) sizes.set(dim, length);
      return sizes.get(dim) === length;
    };
    const found = `[${given.shape.join(', ')}]`;
    if (given.shape.length !== shape.length || !shape.every(fits)) throw shapeError(name, expected, found);
    const count = given.shape.reduce((product, dim) => product * dim, 1);
    if (given.data.length !== count) throw shapeError(name, `${count} numbers for ${found}`, `${given.data.length}`);
  }
  return sizes;
}

/** Rows of a port in an array of `shape`: T and N may stand anywhere in it, or be absent. */
function attachShaped(channel: Channel, data: ArrayLike<number>, shape: readonly number[]): void {
  const { at, stride } = rowsOf(channel.port.shape, shape, BATCH);
  channel.data = data;
  channel.stepStride = rowsOf(channel.port.shape, shape, TIME).stride;
  channel.streamStride = stride;
  channel.inner = at;
}

/** Where the numbers of a row lie in an array of `shape`, and how far it is along `symbol` from a row to the next. */
function rowsOf(dims: readonly Dim[], shape: readonly number[], symbol: string): { at: Int32Array; stride: number } {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, dim) => product * dim, 1));
  let at = [0];
  for (const [axis, dim] of dims.entries()) {
    if (typeof dim !== 'number') continue;
    at = at.flatMap((from) => Array.from({ length: dim }, (_, i) => from + i * strides[axis]));
  }
  return { at: Int32Array.from(at), stride: strides[dims.indexOf(symbol)] ?? 0 };
}

function shapeError(name: string, expected: string, found: string): RivuletError {
  return new RivuletError('INVALID_INPUT', `input "${name}"`, { tensor: name, expected, found });
}
