import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel, type Model, RivuletError, type Stream } from '../../src/index.js';
import { sameBits } from '../support/fixtures.js';
import { cell, filterWithStates, numbers } from '../support/graphs.js';
import { TINY_VOCABULARY, tinyCharacterModel } from '../support/tiny-model.js';

const MODELS: Record<string, () => Uint8Array> = {
  lstm: () => writeNative(cell({ op: 'LSTM', inputs: 3, hidden: 7, peepholes: true })),
  'projected lstm': () => writeNative(cell({ op: 'LSTMP', inputs: 3, hidden: 7, projected: 5 })),
  gru: () => writeNative(cell({ op: 'GRU', inputs: 2, hidden: 17, attributes: { linear_before_reset: 1 } })),
  'gru, reset before': () => writeNative(cell({ op: 'GRU', inputs: 2, hidden: 9 })),
  rnn: () => writeNative(cell({ op: 'RNN', inputs: 5, hidden: 16 })),
  'a character model': () => tinyCharacterModel(8),
  'explicit states': () => writeNative(filterWithStates()),
};

/** What is done to a set of streams, by number; numbers are taken modulo how many there are. */
type Action =
  | { what: 'step' | 'clone' | 'reset' | 'save' | 'restore' | 'replace'; at: number }
  | { what: 'run'; at: number; steps: number }
  | { what: 'many'; order: number[]; steps: number };

const at = fc.nat(31);
const steps = fc.integer({ min: 0, max: 9 });
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ what: fc.constantFrom('step', 'clone', 'reset', 'save', 'restore', 'replace'), at }),
  fc.record({ what: fc.constant('run' as const), at, steps }),
  fc.record({ what: fc.constant('many' as const), order: fc.array(at, { maxLength: 12 }), steps }),
);

/** Input number i of a model: tokens where it takes tokens. */
function rows(model: Model, first: number, n: number): Float32Array {
  const [{ size, type }] = model.inputs;
  const all = numbers((first + n) * size, 77).subarray(first * size);
  return type === 'float32' ? all.map((x) => x * 4) : all.map((x) => Math.floor((x + 0.5) * TINY_VOCABULARY.length));
}

describe.each(Object.entries(MODELS))('%s', (_, bytes) => {
  describe.each(['simd', 'scalar'] as const)('%s', (kernels) => {
    let model: Model;
    beforeAll(async () => {
      model = await loadModel(bytes(), { kernels });
    });

    /** What a stream of its own gives for a history, step by step, from the start. */
    function alone(history: readonly Float32Array[]): Float32Array[] {
      using stream = model.createStream();
      return history.map((x) => stream.step(x).slice());
    }

    it('any interleaving of streams gives each the bits that it would get alone', () => {
      const [{ size }] = model.inputs;
      const [{ size: width }] = model.outputs;
      fc.assert(
        fc.property(fc.array(action, { maxLength: 25 }), (actions) => {
          let made = 0;
          const live: { stream: Stream; history: Float32Array[]; outputs: Float32Array[] }[] = [];
          const add = () => live.push({ stream: model.createStream(), history: [], outputs: [] });
          const kept: { bytes: Uint8Array; history: Float32Array[]; outputs: Float32Array[] }[] = [];
          for (let i = 0; i < 4; i++) add();
          for (const one of actions) {
            if (one.what === 'many') {
              const order = [...new Set(one.order.map((i) => i % live.length))];
              const x = rows(model, made, order.length * one.steps);
              made += order.length * one.steps;
              const streams = order.map((i) => live[i].stream);
              const y = one.steps === 1 ? model.stepMany(streams, x) : model.runMany(streams, x, one.steps);
              for (const [s, i] of order.entries()) {
                for (let t = 0; t < one.steps; t++) {
                  const row = s * one.steps + t;
                  live[i].history.push(x.slice(row * size, (row + 1) * size));
                  live[i].outputs.push(y.slice(row * width, (row + 1) * width));
                }
              }
              continue;
            }
            const index = one.at % live.length;
            const own = live[index];
            if (one.what === 'step' || one.what === 'run') {
              const n = one.what === 'run' ? one.steps : 1;
              const x = rows(model, made, n);
              made += n;
              const y = one.what === 'run' ? own.stream.run(x) : own.stream.step(x);
              for (let t = 0; t < n; t++) {
                own.history.push(x.slice(t * size, (t + 1) * size));
                own.outputs.push(y.slice(t * width, (t + 1) * width));
              }
            } else if (one.what === 'reset') {
              own.stream.reset();
              [own.history, own.outputs] = [[], []];
            } else if (one.what === 'clone') {
              if (live.length < 8)
                live.push({ stream: own.stream.clone(), history: [...own.history], outputs: [...own.outputs] });
            } else if (one.what === 'save') {
              kept.push({ bytes: own.stream.save(), history: [...own.history], outputs: [...own.outputs] });
            } else if (one.what === 'restore' && kept.length > 0) {
              const { bytes, history, outputs } = kept[one.at % kept.length];
              own.stream.restore(bytes);
              [own.history, own.outputs] = [[...history], [...outputs]];
            } else if (one.what === 'replace') {
              own.stream.dispose();
              live.splice(index, 1);
              add();
            }
          }
          for (const { stream, history, outputs } of live) {
            const expected = alone(history);
            for (const [t, row] of expected.entries())
              if (!sameBits(outputs[t], row)) throw new Error(`step ${t} differs`);
            stream.dispose();
          }
        }),
        { numRuns: 60 },
      );
    });

    it('pieces longer than the layout are the same bits', () => {
      const n = 300;
      const x = rows(model, 0, n);
      const [{ size }] = model.inputs;
      using one = model.createStream();
      using two = model.createStream();
      const stepped = Array.from({ length: n }, (_, t) => [...one.step(x.slice(t * size, (t + 1) * size))]).flat();
      expect(sameBits(two.run(x), stepped)).toBe(true);
      expect(two.save()).toEqual(one.save());
      const crowd = Array.from({ length: 150 }, () => model.createStream());
      const many = model.runMany(crowd, Float32Array.from(crowd.flatMap(() => [...x.subarray(0, 3 * size)])), 3);
      const width = model.outputs[0].size;
      for (let s = 0; s < 150; s++) {
        expect(sameBits(many.subarray(s * 3 * width, (s + 1) * 3 * width), stepped.slice(0, 3 * width))).toBe(true);
      }
      for (const stream of crowd) stream.dispose();
    });

    it('a snapshot that is altered, cut, extended, newer or a stranger’s is refused, and the stream goes on', async () => {
      using stream = model.createStream();
      stream.run(rows(model, 0, 5));
      const saved = stream.save();
      using other = model.createStream();
      other.run(rows(model, 9, 2));
      const before = other.save();
      const refuse = (bytes: Uint8Array, message = /snapshot/) => {
        expect(() => other.restore(bytes)).toThrow(
          expect.objectContaining({ code: 'INVALID_SNAPSHOT', message: expect.stringMatching(message) }),
        );
      };
      for (let i = 0; i < saved.length; i++) {
        for (const flip of [1, 0x80, 0xff]) {
          const altered = saved.slice();
          altered[i] ^= flip;
          refuse(altered);
        }
      }
      for (let length = 0; length < saved.length; length++) refuse(saved.slice(0, length));
      refuse(Uint8Array.from([...saved, 0]), /extended/);
      refuse(Uint8Array.from([...saved, ...saved]), /extended/);
      const newer = saved.slice();
      newer[4] = 2;
      refuse(newer, /version/);
      const stranger = await loadModel(writeNative(cell({ op: 'RNN', inputs: 5, hidden: 16, seed: 99 })), { kernels });
      refuse(stranger.createStream().save(), /another model/);
      for (const nothing of [undefined, null, 'text', [], new ArrayBuffer(100)]) refuse(nothing as never);
      expect(other.save()).toEqual(before);
      other.restore(saved);
      expect(sameBits(other.step(rows(model, 5, 1)), stream.step(rows(model, 5, 1)))).toBe(true);
    });

    it('what is refused leaves the state alone', () => {
      using stream = model.createStream();
      using twin = model.createStream();
      stream.run(rows(model, 0, 4));
      const before = stream.save();
      const [{ size, type }] = model.inputs;
      const x = rows(model, 0, 1);
      const bad = (value: number) => Array.from(x, (own, i) => (i === size - 1 ? value : own));
      const refused: [string, () => unknown][] = [
        ['INVALID_INPUT', () => stream.step([...x, 1])],
        ['INVALID_INPUT', () => stream.step([])],
        ['INVALID_INPUT', () => stream.step(undefined as never)],
        ['INVALID_INPUT', () => stream.step(null as never)],
        ['INVALID_INPUT', () => stream.step('x' as never)],
        ['INVALID_INPUT', () => stream.run(undefined as never)],
        ['INVALID_INPUT', () => stream.step(x, new Float32Array(1000))],
        ['INVALID_INPUT', () => stream.run(x, new Float32Array(1000))],
        ['INVALID_INPUT', () => stream.run([...rows(model, 0, 3), 1, ...(size > 1 ? [] : [Number.NaN])])],
        ['INVALID_INPUT', () => stream.step({ nobody: x })],
        ['INVALID_INPUT', () => stream.step({ [model.inputs[0].name]: x, nobody: x })],
        ['INVALID_INPUT', () => model.stepMany([stream, stream], [...x, ...x])],
        ['INVALID_INPUT', () => model.stepMany([stream, twin], x)],
        ['INVALID_INPUT', () => model.stepMany([stream, undefined as never], [...x, ...x])],
        ['INVALID_INPUT', () => model.stepMany([stream, {} as never], [...x, ...x])],
        ['INVALID_INPUT', () => model.runMany([stream], x, 1.5)],
        ['INVALID_INPUT', () => model.runMany([stream], x, -1)],
      ];
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e39]) {
        const code = type === 'float32' ? 'NON_FINITE_INPUT' : 'INVALID_INPUT';
        refused.push([code, () => stream.step(bad(value))]);
        refused.push([code, () => stream.run([...x, ...bad(value)])]);
        refused.push([code, () => model.stepMany([twin, stream], [...x, ...bad(value)])]);
      }
      if (type !== 'float32') {
        for (const token of [-1, 0.5, TINY_VOCABULARY.length, 2 ** 31, 2 ** 32])
          refused.push(['INVALID_INPUT', () => stream.step(token)]);
      } else if (size > 1) refused.push(['INVALID_INPUT', () => stream.step(1)]);
      const twinBefore = twin.save();
      for (const [code, call] of refused) {
        expect(call, String(call)).toThrow(expect.objectContaining({ constructor: RivuletError, code }));
        expect(stream.save()).toEqual(before);
        expect(twin.save()).toEqual(twinBefore);
      }
    });
  });
});

describe('a step', () => {
  // Rows of up to 16 numbers are copied and checked by a loop, longer ones by a kernel.
  describe.each([1, 3, 16, 17, 40])('of %i numbers', (size) => {
    const kinds: [string, (numbers: Iterable<number>) => ArrayLike<number>][] = [
      ['Float32Array', (x) => Float32Array.from(x)],
      ['Float64Array', (x) => Float64Array.from(x)],
      ['Array', (x) => Array.from(x)],
    ];
    it.each(kinds)('is refused where one is not finite, wherever it stands, as %s', async (_, made) => {
      const model = await loadModel(writeNative(cell({ op: 'RNN', inputs: size, hidden: 4 })));
      using stream = model.createStream();
      stream.step(numbers(size, 1));
      const before = stream.save();
      for (let at = 0; at < size; at++) {
        for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e39]) {
          const x = Array.from(numbers(size, 2));
          x[at] = value;
          expect(() => stream.step(made(x))).toThrow(expect.objectContaining({ code: 'NON_FINITE_INPUT' }));
        }
      }
      expect(stream.save()).toEqual(before);
      // The largest float32: its sum is beyond float32.
      stream.step(made(new Float32Array(size).fill(3.4028234663852886e38)));
    });
  });

  it('has the same bits for every kind of array, also after it was refused', async () => {
    for (const [inputs, hidden] of [
      [3, 16],
      [16, 17],
      [17, 5],
    ]) {
      const model = await loadModel(writeNative(cell({ op: 'LSTM', inputs, hidden })));
      const streams = Array.from({ length: 3 }, () => model.createStream());
      for (let step = 0; step < 4; step++) {
        const x = numbers(inputs, step);
        const ys = [x, Float64Array.from(x), Array.from(x)].map((data, i) => {
          expect(() => streams[i].step(new Float32Array(inputs).fill(Number.NaN))).toThrow();
          return streams[i].step(data);
        });
        expect(sameBits(ys[1], ys[0]) && sameBits(ys[2], ys[0]), `${inputs} to ${hidden}`).toBe(true);
      }
    }
  });
});

describe('calls on many rows', () => {
  // Rows of 16 numbers and more lie without gaps, and are copied many at once; 70 streams and 70 steps take two pieces.
  it.each([
    [16, 32],
    [16, 9],
    [3, 16],
    [40, 5],
  ])('give the bits of step with %i inputs and %i outputs, also once the memory has grown', async (inputs, hidden) => {
    const model = await loadModel(writeNative(cell({ op: 'GRU', inputs, hidden })));
    const streams: Stream[] = [];
    const twins: Stream[] = [];
    for (const [n, steps] of [
      [1, 70],
      [70, 1],
      [70, 3],
      [2000, 1],
    ]) {
      for (const list of [streams, twins]) while (list.length < n) list.push(model.createStream());
      const xs = numbers(n * steps * inputs, n);
      const ys = model.runMany(streams.slice(0, n), xs, steps);
      const expected = new Float32Array(n * steps * hidden);
      for (let row = 0; row < n * steps; row++) {
        const x = xs.slice(row * inputs, (row + 1) * inputs);
        expected.set(twins[Math.floor(row / steps)].step(x), row * hidden);
      }
      expect(sameBits(ys, expected), `${n} streams, ${steps} steps`).toBe(true);
    }
  });

  it('refuse what is not finite, wherever it stands, and nothing that is', async () => {
    const model = await loadModel(writeNative(cell({ op: 'RNN', inputs: 4, hidden: 4 })));
    using stream = model.createStream();
    const before = stream.save();
    const length = 4 * 2500;
    const { NaN: none, POSITIVE_INFINITY: most, NEGATIVE_INFINITY: least } = Number;
    for (const at of [0, 1, 4095, 4096, 8191, length - 1]) {
      for (const values of [[none], [most], [least], [most, least]]) {
        const xs = numbers(length, 3);
        xs.set(values, Math.min(at, length - values.length));
        expect(() => stream.run(xs)).toThrow(expect.objectContaining({ code: 'NON_FINITE_INPUT' }));
      }
    }
    expect(stream.save()).toEqual(before);
    // The largest float32: its sums are beyond float32.
    expect(stream.run(new Float32Array(length).fill(3.4028234663852886e38))).toHaveLength(length);
  });
});
