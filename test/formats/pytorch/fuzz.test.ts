import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RivuletError } from '../../../src/errors.js';
import { readPyTorch } from '../../../src/formats/pytorch/pytorch.js';
import { readStateDict } from '../../../src/formats/pytorch/state-dict.js';
import { readZip } from '../../../src/formats/pytorch/zip.js';
import { parseSafetensors } from '../../../src/formats/safetensors/container.js';
import { writeSafetensors } from '../../../src/formats/safetensors/write-container.js';
import { checkGraph } from '../../../src/graph/check.js';
import { makePlan } from '../../../src/plan/plan.js';
import { expected, pickle, torchFile, zip } from './files.js';

const MILLISECONDS = 2000;

/** Whether it ended as it should: with a value, or with a RivuletError, and in time. */
function ends(read: () => unknown): boolean {
  const began = performance.now();
  try {
    read();
    return true;
  } catch (error) {
    if (!(error instanceof RivuletError)) throw error;
    return false;
  } finally {
    expect(performance.now() - began).toBeLessThan(MILLISECONDS);
  }
}

/** What a graph that was read must stand: its own checks, and the planner's. */
function survives(bytes: Uint8Array, architecture?: string): void {
  ends(() => readStateDict(bytes));
  ends(() => {
    const graph = readPyTorch(bytes, undefined, architecture === undefined ? {} : { architecture });
    checkGraph(graph);
    makePlan(graph);
  });
}

type Edit = (bytes: Uint8Array) => Uint8Array;

const at = fc.noBias(fc.nat(2 ** 20 - 1)).map((n) => n / 2 ** 20);
/** Numbers at which lengths, offsets and instructions change their meaning. */
const byte = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0, 1, 127, 128, 255, 0x28, 0x2e, 0x52, 0x51, 0x63, 0x68, 0x74, 0x75),
);

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(at, byte).map(([where, value]) => (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy[Math.floor(where * copy.length)] = value;
    return copy;
  }),
  fc.tuple(at, fc.nat(7)).map(([where, bit]) => (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy[Math.floor(where * copy.length)] ^= 1 << bit;
    return copy;
  }),
  fc.tuple(at, fc.nat(40)).map(([where, length]) => (bytes: Uint8Array) => {
    const from = Math.floor(where * bytes.length);
    return Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(from + length)]);
  }),
  fc.tuple(at, at, fc.nat(60)).map(([from, to, length]) => (bytes: Uint8Array) => {
    const begin = Math.floor(from * bytes.length);
    const target = Math.floor(to * bytes.length);
    const part = bytes.subarray(begin, begin + length);
    return Uint8Array.from([...bytes.subarray(0, target), ...part, ...bytes.subarray(target)]);
  }),
  fc.tuple(at, fc.constantFrom(0, 1, 0xff, 0x7f)).map(([where, value]) => (bytes: Uint8Array) => {
    const begin = Math.floor(where * bytes.length);
    return bytes.slice().fill(value, begin, begin + 4);
  }),
  at.map((where) => (bytes: Uint8Array) => bytes.slice(0, Math.floor(where * bytes.length))),
);
const edits = fc.array(edit, { minLength: 1, maxLength: 3 });
const applied = (bytes: Uint8Array, all: Edit[]): Uint8Array =>
  all.reduce((current, apply) => (current.length > 0 ? apply(current) : current), bytes);

const zipped = ['characters.pt', 'gru-norm.pt', 'projected-both.pt', 'parameters.pt', 'checkpoint.pt', 'views.pt'].map(
  torchFile,
);
const legacy = ['characters-legacy.pth', 'classifier-legacy.pth', 'views-legacy.pth'].map(torchFile);

/** A file with its pickle changed and its lengths put right, so that the machine gets to see it. */
function repickled(bytes: Uint8Array, all: Edit[]): Uint8Array {
  return zip(Array.from(readZip(bytes), ([name, data]) => [name, name.endsWith('.pkl') ? applied(data, all) : data]));
}

const directoryOf = (bytes: Uint8Array): number => Math.max(0, bytes.length - 60 * (readZip(bytes).size + 3));

describe('damaged files of PyTorch’s', () => {
  it('end as a graph or a RivuletError, whatever byte is changed', () => {
    fc.assert(
      fc.property(fc.constantFrom(...zipped, ...legacy), edits, (seed, all) => survives(applied(seed, all))),
      { numRuns: 3000 },
    );
  }, 120_000);

  it('end so with a changed directory', () => {
    fc.assert(
      fc.property(fc.constantFrom(...zipped), edits, (seed, all) => {
        const begin = directoryOf(seed);
        survives(Uint8Array.from([...seed.subarray(0, begin), ...applied(seed.subarray(begin), all)]));
      }),
      { numRuns: 2000 },
    );
  }, 120_000);

  it('end so with a changed pickle', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.constantFrom(...zipped), edits, (seed, all) => {
        const bytes = repickled(seed, all);
        if (ends(() => readStateDict(bytes))) read++;
        survives(bytes);
      }),
      { numRuns: 5000 },
    );
    // Some edits change a name or a size and leave a file that can be read: the checks behind the pickle are reached.
    expect(read).toBeGreaterThan(50);
  }, 120_000);

  it('end so with a changed legacy header', () => {
    fc.assert(
      fc.property(fc.constantFrom(...legacy), edits, (seed, all) => {
        survives(Uint8Array.from([...applied(seed.subarray(0, 900), all), ...seed.subarray(900)]));
      }),
      { numRuns: 2000 },
    );
  }, 120_000);

  it('end so as instructions at random', () => {
    const part = fc.oneof(
      fc.constantFrom<number[][]>(
        [0x28],
        [0x74],
        [0x75],
        [0x7d],
        [0x5d],
        [0x61],
        [0x65],
        [0x73],
        [0x51],
        [0x52],
        [0x62],
        [0x4e],
        [0x29],
        [0x85],
        [0x86],
        [0x87],
        [0x71, 0],
        [0x68, 0],
        [0x72, 255, 255, 255, 255],
        [0x8a, 2, 1, 128],
      ),
      fc.constantFrom('storage', '0', 'w', '').map(pickle.text),
      fc.constantFrom(0, 1, 2, 6, -1, 2 ** 31 - 1).map(pickle.int),
      fc.constantFrom('FloatStorage', 'LongStorage', 'Tensor').map((name) => pickle.global('torch', name)),
      fc.constantFrom('_rebuild_tensor_v2', '_rebuild_parameter').map((name) => pickle.global('torch._utils', name)),
      fc.constant(pickle.global('collections', 'OrderedDict')),
      fc.constant(pickle.storage('FloatStorage', '0', 6)),
      fc.constant(pickle.tensor(pickle.storage('FloatStorage', '0', 6), [2, 3], [3, 1])),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        survives(
          zip([
            ['m/data.pkl', pickle.file(...parts)],
            ['m/data/0', new Uint8Array(24)],
          ]),
        );
      }),
      { numRuns: 5000 },
    );
  }, 120_000);

  it('end so with shapes and names at random', () => {
    const name = fc.constantFrom(
      'rnn.weight_ih_l0',
      'rnn.weight_hh_l0',
      'rnn.bias_ih_l0',
      'rnn.bias_hh_l0',
      'rnn.weight_ih_l1',
      'rnn.weight_hh_l1',
      'rnn.weight_ih_l0_reverse',
      'rnn.weight_hh_l0_reverse',
      'rnn.weight_hr_l0',
      'a.weight',
      'a.bias',
      'emb.weight',
      'weight',
      'bias',
      '.weight',
      'a.0.weight',
      'a.2.weight',
      `${'a.'.repeat(500)}weight`,
    );
    const shape = fc.array(fc.constantFrom(0, 1, 2, 3, 4, 6, 12, 16, 9_000), { maxLength: 3 });
    const storage = pickle.storage('FloatStorage', '0', 16);
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, shape), { selector: ([key]) => key, maxLength: 6 }), (entries) => {
        const pairs = entries.flatMap(([key, dims]) => [
          pickle.text(key),
          pickle.tensor(
            storage,
            dims,
            dims.map(() => 0),
          ),
        ]);
        survives(
          zip([
            ['m/data.pkl', pickle.file(pickle.dict(...pairs))],
            ['m/data/0', new Uint8Array(64)],
          ]),
        );
      }),
      { numRuns: 3000 },
    );
  }, 120_000);

  it('end so with an architecture that says something else', () => {
    const layer = fc.record(
      {
        type: fc.constantFrom(
          'Embedding',
          'LSTM',
          'GRU',
          'RNN',
          'Linear',
          'LayerNorm',
          'ReLU',
          'Softmax',
          'x',
          '__proto__',
        ),
        prefix: fc.constantFrom('', 'first', 'rnn', 'norm', 'last', 'gru', 'hidden', 'x'),
        output: fc.constantFrom('state', 'sequence', 3),
        nonlinearity: fc.constantFrom('tanh', 'relu', null),
        eps: fc.constantFrom(0, 1e-5, -1, 1e300),
      },
      { requiredKeys: ['type'] },
    );
    const architectures = expected.cases.flatMap(({ files: [file], architecture }) =>
      architecture ? [{ bytes: torchFile(file), architecture }] : [],
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...architectures),
        fc.array(fc.tuple(at, fc.option(layer)), { minLength: 1, maxLength: 4 }),
        ({ bytes, architecture }, changes) => {
          const layers: unknown[] = [...architecture.layers];
          for (const [where, by] of changes) layers.splice(Math.floor(where * layers.length), 1, ...(by ? [by] : []));
          survives(bytes, JSON.stringify({ ...architecture, layers }));
        },
      ),
      { numRuns: 2000 },
    );
    const file = parseSafetensors(torchFile('annotated.safetensors'));
    fc.assert(
      fc.property(edits, (all) => {
        const json = new TextEncoder().encode(file.metadata.get('rivulet.architecture'));
        const text = new TextDecoder().decode(applied(json, all));
        survives(writeSafetensors({ ...file, metadata: new Map([['rivulet.architecture', text]]) }));
      }),
      { numRuns: 2000 },
    );
  }, 120_000);

  it('end so, and in time, where they are as large as their limits allow', () => {
    const many = (count: number, ...parts: number[][]) => new Array(count).fill(parts.flat()).flat();
    const hostile: [string, Uint8Array][] = [
      ['a list of very many', pickle.file([0x5d], many(400, [0x28], many(10_000, [0x29]), [0x65]))],
      ['one list in itself', pickle.file([0x5d, 0x71, 0], many(100_000, [0x68, 0, 0x61]))],
      ['tuples of tuples', pickle.file([0x29], many(500_000, [0x85]))],
      ['a long text', pickle.file([0x58, 255, 255, 255, 255])],
      ['a long name', pickle.file([0x63], many(100_000, [0x61]))],
      ['noise', Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 2_654_435_761) >>> 13)],
    ];
    for (const [, data] of hostile) survives(zip([['m/data.pkl', data]]));
    // Layers that all look at one storage, each of which would be copied.
    const storage = pickle.storage('FloatStorage', '0', 262_144);
    const layers = Array.from({ length: 200 }, (_, k) => [
      pickle.text(`rnn.weight_ih_l${k}`),
      pickle.tensor(storage, [1024, 256], [256, 1]),
      pickle.text(`rnn.weight_hh_l${k}`),
      pickle.tensor(storage, [1024, 256], [256, 1]),
    ]).flat();
    survives(
      zip([
        ['m/data.pkl', pickle.file(pickle.dict(...layers))],
        ['m/data/0', new Uint8Array(1 << 20)],
      ]),
    );
    // Many layers of one size, in no order.
    const square = Array.from(
      { length: 500 },
      (_, k): [string, { dtype: 'F32'; shape: number[]; bytes: Uint8Array }] => [
        `l${k}.weight`,
        { dtype: 'F32', shape: [2, 2], bytes: new Uint8Array(16) },
      ],
    );
    survives(writeSafetensors({ metadata: new Map(), tensors: new Map(square) }));
  }, 120_000);
});
