import type { Dense } from './dense.js';
import type { Linear, LinearReader, Product } from './linear.js';
import type { Ref } from './node-def.js';
import { type Place, type Scope, samePlace } from './scope.js';
import type { State, TimeLoop } from './time-loop.js';

/**
 * A loop whose turns are the steps of an LSTM, GRU or RNN as ONNX defines them. Matrices are [outputs, inputs], gates in ONNX's
 * order.
 */
export interface Cell {
  readonly op: 'LSTM' | 'GRU' | 'RNN';
  readonly hidden: number;
  /** [gates * hidden, inputs], [gates * hidden, hidden], [2 * gates * hidden]: of the input, then of the state. */
  readonly w: Float32Array;
  readonly r: Float32Array;
  readonly b: Float32Array;
  readonly inputs: number;
  readonly attributes: Readonly<Record<string, number | string[]>>;
  /** The states, in ONNX's order: the hidden one first. */
  readonly states: readonly State[];
}

/** Functions that ONNX's cells know too, under the same names. */
const ACTIVATIONS: ReadonlySet<string> = new Set(['Sigmoid', 'Tanh', 'Relu', 'Softsign', 'Softplus']);

/** The cell that a loop is; undefined where it is none of these exactly. */
export function cellOf(loop: TimeLoop, reader: LinearReader): Cell | undefined {
  if (loop.sequences.length !== 1) return undefined;
  return new Matcher(loop, reader).cell();
}

/** The sum inside a gate, of the step, the state and a bias. */
interface Gate {
  /** [inputs, hidden] and [hidden, hidden] */
  readonly w: Dense;
  readonly r: Dense;
  readonly bias: Dense | undefined;
}

class Matcher {
  private readonly scope: Scope;
  private readonly step: Place;

  constructor(
    private readonly loop: TimeLoop,
    private readonly reader: LinearReader,
  ) {
    this.scope = loop.body;
    this.step = { scope: loop.body, ref: loop.sequences[0].step };
  }

  cell(): Cell | undefined {
    const { states } = this.loop;
    if (states.length === 1) return this.gru(states[0]) ?? this.rnn(states[0]);
    if (states.length !== 2) return undefined;
    return this.lstm(states[0], states[1]) ?? this.lstm(states[1], states[0]);
  }

  /** h' = f(x W + h R + b) */
  private rnn(h: State): Cell | undefined {
    const [name, inner] = this.activation(h.next) ?? [];
    const gate = name && inner && this.gate(inner, h);
    return gate ? this.build('RNN', [gate], [h], { activations: [name] }) : undefined;
  }

  /** c' = f c + i g, h' = o tanh(c') */
  private lstm(h: State, c: State): Cell | undefined {
    for (const [left, right] of this.factors(h.next)) {
      const [shown, inner] = this.activation(right) ?? [];
      if (!shown || !inner || !samePlace(inner, c.next)) continue;
      const output = this.activation(left);
      const cell = output && this.lstmCell(h, c, output, shown);
      if (cell) return cell;
    }
    return undefined;
  }

  private lstmCell(h: State, c: State, [f, output]: [string, Place], shown: string): Cell | undefined {
    const [first, second] = this.terms(c.next) ?? [];
    if (!first || !second) return undefined;
    const kept = (part: Place) =>
      this.factors(part).flatMap(([gate, old]) => (this.isState(old, c) ? [this.activation(gate)] : []))[0];
    const [forget, learnt] = kept(first) ? [kept(first), second] : [kept(second), first];
    if (forget?.[0] !== f) return undefined;
    for (const [left, right] of this.factors(learnt)) {
      const [input, candidate] = [this.activation(left), this.activation(right)];
      if (input?.[0] !== f || !candidate) continue;
      // ONNX's order: input, output, forget, candidate.
      const gates = [input[1], output, forget[1], candidate[1]].map((place) => this.gate(place, h));
      if (gates.every((gate) => gate !== undefined)) {
        return this.build('LSTM', gates, [h, c], { activations: [f, candidate[0], shown] });
      }
    }
    return undefined;
  }

  /** h' = z h + (1 - z) g */
  private gru(h: State): Cell | undefined {
    const [first, second] = this.terms(h.next) ?? [];
    if (!first || !second) return undefined;
    for (const [kept, learnt] of [
      [first, second],
      [second, first],
    ]) {
      for (const [z, old] of this.factors(kept)) {
        const update = this.isState(old, h) ? this.activation(z) : undefined;
        if (!update) continue;
        for (const [rest, made] of this.factors(learnt)) {
          if (!this.isRest(rest, z)) continue;
          const candidate = this.activation(made);
          const cell = candidate && this.gruCell(h, update, candidate);
          if (cell) return cell;
        }
      }
    }
    return undefined;
  }

  private gruCell(h: State, [f, z]: [string, Place], [g, candidate]: [string, Place]): Cell | undefined {
    const update = this.gate(z, h);
    const sum = this.sum(candidate);
    const product = sum?.products.find(({ input }) => samePlace(input, this.step));
    if (!update || !sum || !product) return undefined;
    // Either the state is reset before the product, or the product with the state is.
    const [inner] = sum.products.filter((one) => one !== product);
    const [late] = sum.rest;
    if (sum.products.length + sum.rest.length !== 2) return undefined;
    for (const [left, right] of this.factors(inner ? inner.input : late)) {
      const reset = this.activation(left);
      const gate = reset?.[0] === f ? this.gate(reset[1], h) : undefined;
      if (!gate) continue;
      if (inner) {
        if (!this.isState(right, h)) continue;
        const last = { w: product.matrix, r: inner.matrix, bias: sum.bias };
        return this.build('GRU', [update, gate, last], [h], { activations: [f, g] });
      }
      const state = this.reader.read(right);
      const [only] = state?.products ?? [];
      if (state?.products.length !== 1 || state.rest.length > 0 || !this.isState(only.input, h)) continue;
      const last = { w: product.matrix, r: only.matrix, bias: sum.bias };
      return this.build('GRU', [update, gate, last], [h], { activations: [f, g], linear_before_reset: 1 }, state.bias);
    }
    return undefined;
  }

  /** The function that a value is of another. */
  private activation({ scope, ref }: Place): [string, Place] | undefined {
    const place = scope.settle(ref);
    const node = place.scope.find(place.ref);
    const known = node !== undefined && place.scope === this.scope && ACTIVATIONS.has(node.op);
    if (!known) return undefined;
    this.scope.checkAttributes(node);
    return [node.op, this.at(node.inputs[0])];
  }

  /** The two factors of a product, in either order. */
  private factors(place: Place | undefined): [Place, Place][] {
    const [a, b] = (place && this.operands(place, ['Mul'])) ?? [];
    return a && b
      ? [
          [a, b],
          [b, a],
        ]
      : [];
  }

  /** The two terms of a sum. */
  private terms(place: Place): [Place, Place] | undefined {
    return this.operands(place, ['Add', 'AddV2', 'AddN']);
  }

  private operands({ scope, ref }: Place, ops: readonly string[]): [Place, Place] | undefined {
    const place = scope.settle(ref);
    const node = place.scope === this.scope ? place.scope.find(place.ref) : undefined;
    if (!node || !ops.includes(node.op) || node.inputs.length !== 2) return undefined;
    this.scope.checkAttributes(node);
    return [this.at(node.inputs[0]), this.at(node.inputs[1])];
  }

  /** Whether a value is 1 - z. */
  private isRest(place: Place, z: Place): boolean {
    const [one, other] = this.operands(place, ['Sub']) ?? [];
    const constant = one && this.reader.constants.read(one);
    return constant?.data.length === 1 && constant.data[0] === 1 && samePlace(other!, z);
  }

  private isState(place: Place, { input }: State): boolean {
    return samePlace(place, { scope: this.scope, ref: input });
  }

  private at(ref: Ref): Place {
    return this.scope.settle(ref);
  }

  /** A value as a sum, in which a product of the step and a value of the cell side by side is two. */
  private sum(place: Place): Linear | undefined {
    const sum = this.reader.read(place);
    return sum && { ...sum, products: sum.products.flatMap((product) => this.apart(product)) };
  }

  private apart(product: Product): Product[] {
    const { input, matrix } = product;
    const node = input.scope === this.scope ? input.scope.find(input.ref) : undefined;
    const parts = node?.op === 'ConcatV2' && node.inputs.length === 3 ? node.inputs : [];
    const axis = this.scope.integer(parts[2]);
    const places = parts.slice(0, 2).map((ref) => this.at(ref));
    const step = places.findIndex((one) => samePlace(one, this.step));
    // Whatever stands beside the step is as wide as a gate.
    const [rows, width] = matrix.shape;
    if (step < 0 || (axis !== 1 && axis !== -1) || width >= rows) return [product];
    const lengths = step === 0 ? [rows - width, width] : [width, rows - width];
    const { constants } = this.reader;
    return places.map((one, i) => ({ input: one, matrix: constants.cut(matrix, 0, i * lengths[0], lengths[i]) }));
  }

  /** The sum inside a gate; undefined where it is any other. */
  private gate(place: Place, h: State): Gate | undefined {
    const sum = this.sum(place);
    if (sum?.products.length !== 2 || sum.rest.length > 0) return undefined;
    const w = sum.products.find(({ input }) => samePlace(input, this.step));
    const r = sum.products.find(({ input }) => this.isState(input, h));
    return w && r && { w: w.matrix, r: r.matrix, bias: sum.bias };
  }

  /** Packs the gates; undefined where their shapes do not fit. */
  private build(
    op: Cell['op'],
    gates: readonly Gate[],
    states: readonly State[],
    attributes: Cell['attributes'],
    /** What is added to the last gate's product with the state, before it is reset. */
    inner?: Dense,
  ): Cell | undefined {
    const [inputs, hidden] = gates[0].w.shape;
    const fits = gates.every(
      ({ w, r, bias }) =>
        w.shape.join() === `${inputs},${hidden}` &&
        r.shape.join() === `${hidden},${hidden}` &&
        [1, hidden].includes(bias?.data.length ?? 1),
    );
    // What turns write must be what cells give.
    const [{ next }] = states;
    const writes = [...this.loop.written.values()].every(({ value }) => samePlace(value, next));
    if (!fits || !writes || ![1, hidden].includes(inner?.data.length ?? 1)) return undefined;
    const b = new Float32Array(2 * gates.length * hidden);
    for (const [i, { bias }] of gates.entries()) fill(b, i * hidden, hidden, bias);
    fill(b, (2 * gates.length - 1) * hidden, hidden, inner);
    const stack = (pick: (gate: Gate) => Dense, size: number) => {
      const out = new Float32Array(gates.length * hidden * size);
      for (const [i, gate] of gates.entries()) {
        out.set(this.reader.constants.transposed(pick(gate)).data, i * hidden * size);
      }
      return out;
    };
    const [w, r] = [stack((gate) => gate.w, inputs), stack((gate) => gate.r, hidden)];
    return { op, hidden, inputs, w, r, b, attributes, states };
  }
}

function fill(into: Float32Array, at: number, count: number, bias: Dense | undefined): void {
  for (let i = 0; bias && i < count; i++) into[at + i] = bias.data[bias.data.length === 1 ? 0 : i];
}
