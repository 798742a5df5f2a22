import { RivuletError } from '../errors.js';
import { shown } from '../options.js';
import type { Engine } from './engine.js';
import { isFixed } from './fixed.js';
import type { Model } from './model.js';
import { readSnapshot, writeSnapshot } from './snapshot.js';
import { type Trace, Tracer } from './trace.js';

/**
 * Input of one port: `size` numbers for each step, or one number where the size is 1 (a token, a price). float32 is what
 * is computed with; other numbers are rounded to it.
 */
export type StepInput = number | ArrayLike<number>;

/** Inputs by port name, for a model that has several inputs or outputs. */
export type NamedInputs = Readonly<Record<string, StepInput>>;

/** Outputs by port name. */
export type NamedOutputs = Record<string, Float32Array>;

/**
 * One recurrent state, advanced step by step. It shares the model's weights; what is its own is `model.stateBytes`.
 * A call that throws leaves the state as it was.
 */
export class Stream {
  /** @internal The stream's state in the arena. */
  slot: number;
  /** @internal The last call that listed this stream. */
  mark = 0;
  private live = true;
  private output: Float32Array | undefined;
  private named: NamedOutputs | undefined;

  /** @internal Use `model.createStream()`. */
  constructor(
    readonly model: Model,
    /** @internal */
    readonly engine: Engine,
  ) {
    this.slot = engine.pool.take();
  }

  /** Whether `dispose` was called, here or on the model. */
  get disposed(): boolean {
    return !this.live || this.engine.disposed;
  }

  /**
   * One time step: [inputs] -> [outputs]. Nothing is allocated once the stream has made its first step.
   *
   * Without `out` the result is an array of the stream's own, which its next `step` overwrites: copy it, or give `out`,
   * to keep it.
   *
   * @throws RivuletError `INVALID_INPUT` (length, token out of range), `NON_FINITE_INPUT`, `DISPOSED`, `NOT_STREAMABLE`.
   */
  step(x: StepInput, out?: Float32Array): Float32Array;
  /** One time step with inputs and outputs by name. Missing names and unknown ones are refused. */
  step(x: NamedInputs, out?: NamedOutputs): NamedOutputs;
  step(x: StepInput | NamedInputs, out?: Float32Array | NamedOutputs): Float32Array | NamedOutputs {
    const engine = this.ready();
    if (typeof x === 'number' || isArray(x)) {
      this.checkSingle();
      const input = engine.inputs[0];
      const output = engine.outputs[0];
      const result = (out as Float32Array | undefined) ?? (this.output ??= new Float32Array(output.port.size));
      if (result !== this.output) output.checkOut(result, output.port.size);
      input.attach(x, 1);
      output.attach(result, 1);
      engine.step(this.slot);
      return result;
    }
    this.named ??= this.emptyOutputs(1);
    const results = this.attachNamed(x, (out as NamedOutputs | undefined) ?? this.named, 1);
    engine.step(this.slot);
    return results;
  }

  /**
   * `T` time steps in one call: [T, inputs] -> [T, outputs], the bits that T calls of `step` would give. T follows from
   * the input's length. Without `out` the result is a new array; `out` may be `xs`, but no other view of its memory.
   */
  run(xs: ArrayLike<number>, out?: Float32Array): Float32Array;
  run(xs: Readonly<Record<string, ArrayLike<number>>>, out?: NamedOutputs): NamedOutputs;
  run(
    xs: ArrayLike<number> | Readonly<Record<string, ArrayLike<number>>>,
    out?: Float32Array | NamedOutputs,
  ): Float32Array | NamedOutputs {
    const engine = this.ready();
    const plain = isArray(xs);
    const first = engine.inputs[0];
    const data = plain ? xs : (xs?.[first?.port.name ?? ''] ?? []);
    const steps = Math.ceil(data.length / (first?.port.size ?? 1));
    let results: Float32Array | NamedOutputs;
    if (plain) {
      this.checkSingle();
      const input = engine.inputs[0];
      const output = engine.outputs[0];
      results = (out as Float32Array | undefined) ?? new Float32Array(steps * output.port.size);
      output.checkOut(results, steps * output.port.size);
      input.attach(xs, steps);
      output.attach(results, steps);
    } else {
      results = this.attachNamed(xs, (out as NamedOutputs | undefined) ?? this.emptyOutputs(steps), steps);
    }
    engine.checkInputs(steps);
    engine.advance([this.slot], 1, steps);
    return results;
  }

  /**
   * One time step, seen from within: what `step` would give, and every gate of every recurrent layer. The stream advances
   * by exactly that `step`; the gates come from a second, slower pass over a copy of the state before it.
   * @throws RivuletError as `step` does; the stream is then as it was
   */
  trace(x: StepInput): Trace<Float32Array>;
  trace(x: NamedInputs): Trace<NamedOutputs>;
  trace(x: StepInput | NamedInputs): Trace<Float32Array | NamedOutputs> {
    const engine = this.ready();
    const { pool } = engine;
    const before = pool.take();
    pool.copy(before, this.slot);
    try {
      const named = !(typeof x === 'number' || isArray(x));
      // Not into the array of the stream's own, which may be x: the tracer reads the input again.
      const output = named
        ? this.step(x, this.emptyOutputs(1))
        : this.step(x, new Float32Array(engine.outputs[0].port.size));
      return { output, layers: (engine.tracer ??= new Tracer(engine)).run(before) };
    } finally {
      pool.give(before);
    }
  }

  /** Back to the initial state. */
  reset(): void {
    this.ready().pool.reset(this.slot);
  }

  /** The state as bytes: keep them, send them, and `restore` them in any stream of the same model, anywhere. */
  save(): Uint8Array {
    const engine = this.ready();
    return writeSnapshot(engine.fingerprint, engine.readState(this.slot));
  }

  /**
   * Takes up a state that `save` gave: what follows has the bits it would have had.
   * @throws RivuletError `INVALID_SNAPSHOT`; the stream is then as it was.
   */
  restore(bytes: Uint8Array): void {
    const engine = this.ready();
    const size = engine.plan.states.reduce((sum, state) => sum + state.size, 0);
    engine.writeState(this.slot, readSnapshot(bytes, engine.fingerprint, size));
  }

  /** A second stream in the same state. */
  clone(): Stream {
    const engine = this.ready();
    const twin = new Stream(this.model, engine);
    engine.pool.copy(twin.slot, this.slot);
    return twin;
  }

  /** Gives the state's memory back to the model. Calling it again does nothing. */
  dispose(): void {
    if (this.live && !this.engine.disposed) this.engine.pool.give(this.slot);
    this.live = false;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private ready(): Engine {
    if (this.disposed) {
      if (this.engine.disposed) throw this.engine.gone();
      throw new RivuletError('DISPOSED', 'the stream was disposed of', {
        hint: 'Create another with model.createStream()',
      });
    }
    this.engine.checkStreamable();
    return this.engine;
  }

  /** Refuses a plain array where ports need names. Returns nothing: a pair would be an object for each step. */
  private checkSingle(): void {
    const { inputs, outputs } = this.engine;
    if (inputs.length === 1 && outputs.length === 1) return;
    const names = (channels: typeof inputs) => namesOf(channels.map(({ port }) => port));
    throw new RivuletError('INVALID_INPUT', 'this model takes and gives records by name', {
      expected: `{ ${names(inputs)} } -> { ${names(outputs)} }`,
      found: 'one array',
    });
  }

  private emptyOutputs(steps: number): NamedOutputs {
    const entries = this.engine.outputs.map(({ port }) => [port.name, new Float32Array(steps * port.size)]);
    return Object.fromEntries(entries);
  }

  private attachNamed(inputs: NamedInputs, outputs: NamedOutputs, steps: number): NamedOutputs {
    const { engine } = this;
    if (typeof inputs !== 'object' || inputs === null) {
      throw new RivuletError('INVALID_INPUT', 'not an input', {
        expected: `an array of numbers, or a record of ${namesOf(engine.plan.inputs)}`,
        found: shown(inputs),
      });
    }
    for (const name in inputs) {
      if (!takes(engine, name) && !isFixed(engine.plan, name, inputs[name])) {
        throw unknownName('input', name, engine.plan.inputs);
      }
    }
    for (const channel of engine.inputs) {
      const data = inputs[channel.port.name];
      if (data === undefined) throw unknownName('input', 'nothing', [channel.port]);
      if (typeof data !== 'number' && !isArray(data)) throw unknownName('input', shown(data), [channel.port]);
      channel.attach(data, steps);
    }
    for (const channel of engine.outputs) {
      const data = outputs[channel.port.name];
      if (data === undefined) throw unknownName('out', 'nothing', [channel.port]);
      channel.checkOut(data, steps * channel.port.size);
      channel.attach(data, steps);
    }
    return outputs;
  }
}

/** Whether an input has this name. A loop: a function for each name of each step would be an object. */
function takes({ inputs }: Engine, name: string): boolean {
  for (let i = 0; i < inputs.length; i++) if (inputs[i].port.name === name) return true;
  return false;
}

function unknownName(what: string, found: string, ports: readonly { name: string }[]): RivuletError {
  return new RivuletError('INVALID_INPUT', `${what} by name`, {
    expected: namesOf(ports),
    found,
  });
}

function namesOf(ports: readonly { name: string }[]): string {
  return ports.map(({ name }) => name).join(', ');
}

export function isArray(x: unknown): x is ArrayLike<number> {
  return ArrayBuffer.isView(x) || Array.isArray(x);
}
