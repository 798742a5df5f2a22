import { describe, expect, it } from 'vitest';
import { looksLikePyTorch } from '../../../src/formats/pytorch/pytorch.js';
import { readStateDict, readStateFile } from '../../../src/formats/pytorch/state-dict.js';
import type { Tensor } from '../../../src/graph/graph.js';
import { toFloat32, toIntegers } from '../../../src/graph/tensor.js';
import { archive, expected, pickle, torchFile, zip } from './files.js';

const numbersOf = (tensor: Tensor): number[] =>
  /float/.test(tensor.type) ? [...toFloat32(tensor)] : toIntegers(tensor);

describe('a state dict', () => {
  it.each(['views.pt', 'views-legacy.pth'])('%s: views and types come out as PyTorch has them', (file) => {
    const tensors = readStateDict(torchFile(file));
    expect([...tensors.keys()]).toEqual(Object.keys(expected.views));
    for (const [name, { type, shape, data }] of Object.entries(expected.views)) {
      const tensor = tensors.get(name)!;
      expect([name, tensor.type, tensor.shape]).toEqual([name, type, shape]);
      expect(numbersOf(tensor)).toEqual(type === 'float64' ? data.map(Math.fround) : data);
    }
  });

  it('keeps the module’s order and the names of all modules', () => {
    const { tensors, ordered, modules } = readStateFile(torchFile('characters.pt'));
    expect(ordered).toBe(true);
    expect([...tensors.keys()].slice(0, 2)).toEqual(['embedding.weight', 'rnn.weight_ih_l0']);
    expect(modules).toEqual(['', 'embedding', 'drop', 'rnn', 'head']);
    expect(readStateFile(torchFile('characters-legacy.pth')).modules).toEqual(modules);
  });

  it('is the same in all formats', () => {
    const zipped = readStateDict(torchFile('characters.pt'));
    expect(readStateDict(torchFile('characters-legacy.pth'))).toEqual(zipped);
    const sorted = (tensors: Map<string, Tensor>) => [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
    expect(sorted(readStateDict(torchFile('characters.safetensors')))).toEqual(sorted(zipped));
  });

  it('copies no contiguous tensor', () => {
    const file = torchFile('bare.pt');
    for (const { bytes } of readStateDict(file).values()) expect(bytes.buffer).toBe(file.buffer);
  });

  it('is known by its first bytes', () => {
    for (const { files } of expected.cases) {
      for (const file of files) expect(looksLikePyTorch(torchFile(file))).toBe(!file.endsWith('safetensors'));
    }
    expect(looksLikePyTorch(torchFile('refused-script.pt'))).toBe(true);
    expect(looksLikePyTorch(zip([['metadata.json', new Uint8Array()]]))).toBe(false);
    expect(looksLikePyTorch(new Uint8Array())).toBe(false);
  });
});

const floats = (count: number): Uint8Array => new Uint8Array(4 * count);
const one = (shape: number[], strides: number[], offset = 0, count = 4): Uint8Array =>
  archive(
    pickle.file(
      pickle.dict(pickle.text('w'), pickle.tensor(pickle.storage('FloatStorage', '0', count), shape, strides, offset)),
    ),
    { 0: floats(4) },
  );

describe('a file that is no state dict', () => {
  it.each<[string, Uint8Array, string, RegExp]>([
    [
      'a whole module',
      torchFile('refused-module.pt'),
      'UNKNOWN_FORMAT',
      /names Python code, which is never run: expected a state dict.*torch\.nn\.modules\.rnn\.LSTM.*torch\.save\(model\.state_dict\(\)/,
    ],
    [
      'a whole module, legacy',
      torchFile('refused-module-legacy.pth'),
      'UNKNOWN_FORMAT',
      /Python code.*found __main__\.Own/,
    ],
    ['TorchScript', torchFile('refused-script.pt'), 'UNKNOWN_FORMAT', /TorchScript.*state_dict\(\), "weights\.pt"/],
    ['a tensor alone', torchFile('refused-tensor.pt'), 'UNKNOWN_FORMAT', /expected a dict of tensors, found a tensor/],
    ['a sparse tensor', torchFile('refused-sparse.pt'), 'INVALID_FILE', /kind of tensor.*_rebuild_sparse_tensor/],
    ['complex numbers', torchFile('refused-complex.pt'), 'INVALID_FILE', /type of element.*ComplexFloatStorage/],
    [
      'a checkpoint',
      torchFile('checkpoint.pt'),
      'UNKNOWN_FORMAT',
      /checkpoint.*found "model", "optimizer", "epoch", "loss".*torch\.save\(checkpoint\["model"\].*architecture: \{"stateDict":"model"\}/,
    ],
    [
      'os.system',
      archive(pickle.file(pickle.call(pickle.global('os', 'system'), pickle.tuple(pickle.text('true'))))),
      'UNKNOWN_FORMAT',
      /never run.*found os\.system/,
    ],
    [
      'a name that hides another',
      archive(pickle.file(pickle.global('collections.OrderedDict\ros', 'system'))),
      'UNKNOWN_FORMAT',
      /never run/,
    ],
    ['eval', archive(pickle.file(pickle.global('builtins', 'eval'))), 'UNKNOWN_FORMAT', /found builtins\.eval/],
    ['an attribute of torch', archive(pickle.file(pickle.global('torch', 'load'))), 'UNKNOWN_FORMAT', /torch\.load/],
    [
      'a name of Object’s',
      archive(pickle.file(pickle.global('torch', 'constructor'))),
      'UNKNOWN_FORMAT',
      /constructor/,
    ],
    [
      'hooks',
      archive(pickle.file(pickle.call(pickle.global('torch._utils', '_rebuild_tensor_v2'), pickle.tuple()))),
      'INVALID_FILE',
      /malformed/,
    ],
    [
      'a call of a text',
      archive(pickle.file(pickle.call(pickle.text('x'), pickle.tuple()))),
      'INVALID_FILE',
      /A call of something that is no function: found "x"/,
    ],
    [
      'a call of OrderedDict with items',
      archive(pickle.file(pickle.call(pickle.global('collections', 'OrderedDict'), pickle.tuple(pickle.tuple())))),
      'INVALID_FILE',
      /arguments that mean nothing/,
    ],
    ['a number', archive(pickle.file(pickle.int(3))), 'UNKNOWN_FORMAT', /found 3/],
    [
      'a dict of numbers',
      archive(pickle.file(pickle.dict(pickle.text('a'), pickle.int(3)))),
      'UNKNOWN_FORMAT',
      /found 3 under "a"/,
    ],
    [
      'a key twice',
      archive(pickle.file(pickle.dict(pickle.text('a'), [0x4e], pickle.text('a'), [0x4e]))),
      'INVALID_FILE',
      /A key is given twice: found "a"/,
    ],
    ['another protocol', archive(Uint8Array.from([0x80, 4, 0x4e, 0x2e])), 'INVALID_FILE', /protocol 2/],
    ['an instruction of another', archive(pickle.file([0x4e, 0x94])), 'INVALID_FILE', /found 0x94 at byte 3/],
    ['a pickle without end', archive(Uint8Array.from([0x80, 2, 0x4e])), 'INVALID_FILE', /truncated/],
    ['values left behind', archive(pickle.file([0x4e, 0x4e])), 'INVALID_FILE', /leaves values behind/],
    ['bytes behind the end', archive(Uint8Array.from([0x80, 2, 0x7d, 0x2e, 0])), 'INVALID_FILE', /goes on/],
    ['marks within marks', archive(pickle.file(new Array(300).fill(0x28))), 'LIMIT_EXCEEDED', /open marks/],
    ['a full stack', archive(pickle.file(new Array(70_000).fill(0x4e))), 'LIMIT_EXCEEDED', /on the stack/],
    ['a number that was not kept', archive(pickle.file([0x68, 7])), 'INVALID_FILE', /Recalls/],
    ['a long integer', archive(pickle.file([0x8a, 255])), 'LIMIT_EXCEEDED', /integer/],
    ['a missing storage', archive(pickle.file(pickle.storage('FloatStorage', '7', 1))), 'INVALID_FILE', /data\/7/],
    ['a short storage', one([2], [1], 0, 5), 'INVALID_FILE', /expected 20 bytes for 5 float32, found 16/],
    ['a window beyond its storage', one([2, 2], [2, 2]), 'INVALID_FILE', /leads out of its storage.*from 0/],
    ['an offset beyond', one([1], [1], 4), 'INVALID_FILE', /leads out of its storage/],
    ['a negative stride', one([2], [-1], 1), 'INVALID_FILE', /malformed/],
    ['shape and strides of two lengths', one([2, 2], [1]), 'INVALID_FILE', /malformed/],
    ['many dims', one(new Array(9).fill(1), new Array(9).fill(1)), 'LIMIT_EXCEEDED', /Too many dims/],
    ['a great tensor of few numbers', one([30_000, 30_000], [0, 0]), 'LIMIT_EXCEEDED', /far larger than the file/],
    ['a product beyond numbers', one(new Array(8).fill(2 ** 30), new Array(8).fill(0)), 'LIMIT_EXCEEDED', /too many/],
    [
      'another byte order',
      zip([
        ['m/data.pkl', pickle.file([0x7d])],
        ['m/byteorder', new TextEncoder().encode('big')],
      ]),
      'INVALID_FILE',
      /found big/,
    ],
    [
      'another ZIP archive',
      zip([['readme.txt', new Uint8Array(3)]]),
      'UNKNOWN_FORMAT',
      /torch\.save did not write.*readme/,
    ],
    ['another pickle', pickle.file([0x7d]), 'UNKNOWN_FORMAT', /pickle that torch\.save did not write/],
    ['no file', new Uint8Array(), 'UNKNOWN_FORMAT', /did not write/],
  ])('is refused: %s', (_, bytes, code, message) => {
    let error: unknown;
    try {
      readStateDict(bytes, 'model.pt');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ name: 'RivuletError', code });
    expect((error as Error).message).toMatch(message);
  });

  it('is refused by the option that names a part of it', () => {
    const bytes = torchFile('checkpoint.pt');
    expect(() => readStateFile(bytes, undefined, 'nothing')).toThrow(
      /architecture\.stateDict: expected "model", "optimizer".*"nothing"/,
    );
    expect(() => readStateFile(bytes, undefined, 'epoch')).toThrow(/found 3 under "epoch"/);
    expect(() => readStateFile(torchFile('annotated.safetensors'), undefined, 'model')).toThrow(
      /architecture\.stateDict: expected nothing.*found "model"/,
    );
  });

  it('is refused at every length', () => {
    for (const name of ['bare.pt', 'characters-legacy.pth']) {
      const bytes = torchFile(name);
      for (let length = 0; length < bytes.length; length += length < 2000 ? 1 : 37) {
        expect(() => readStateDict(bytes.subarray(0, length))).toThrow(
          expect.objectContaining({ name: 'RivuletError' }),
        );
      }
    }
  });
});
