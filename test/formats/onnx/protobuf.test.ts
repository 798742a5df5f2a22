import { describe, expect, it } from 'vitest';
import { RivuletError } from '../../../src/errors.js';
import { MAX_MESSAGE_DEPTH, WireMessage } from '../../../src/formats/onnx/protobuf.js';
import { integer, message, text, varint } from './writer.js';

const reader = (...bytes: number[][]) => new WireMessage(Uint8Array.from(bytes.flat()), 'a test', 'test.onnx');

/** The reader at its first field. */
const first = (...bytes: number[][]) => {
  const wire = reader(...bytes);
  expect(wire.next()).toBe(true);
  return wire;
};

/** The reader of a message within another, at its first field. */
const inside = (bytes: number[]) => {
  const wire = first(message(1, bytes)).message('a test');
  expect(wire.next()).toBe(true);
  return wire;
};

describe('fields', () => {
  it.each([0n, 1n, 127n, 128n, 2n ** 28n - 1n, 2n ** 28n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, -1n, -(2n ** 63n)])(
    'integer %s',
    (value) => {
      expect(first(integer(3, value)).int64()).toBe(value);
    },
  );

  it('text, messages and what is skipped', () => {
    const wire = reader(integer(9, 5), text(1, 'näme'), message(2, integer(1, 7)), text(4, 'skipped'));
    const seen: unknown[] = [];
    while (wire.next()) {
      if (wire.field === 1) seen.push(wire.text());
      else if (wire.field === 2) {
        const inner = wire.message('inside');
        while (inner.next()) seen.push(inner.integer());
      }
    }
    expect(seen).toEqual(['näme', 7]);
  });

  it('repeated numbers, packed and one by one', () => {
    const packed = message(1, varint(3), varint(-1), varint(300));
    const wire = reader(packed, integer(1, 4), message(2, [...new Uint8Array(Float32Array.of(0.5, -2).buffer)]));
    const integers: bigint[] = [];
    const floats: number[] = [];
    while (wire.next()) {
      if (wire.field === 1) wire.integers(integers);
      else wire.floats(floats);
    }
    expect(integers).toEqual([3n, -1n, 300n, 4n]);
    expect(floats).toEqual([0.5, -2]);
  });
});

describe('damage', () => {
  const damaged: Record<string, [RegExp, () => unknown]> = {
    'a group': [
      /wire type 0, 1, 2 or 5/,
      () => {
        const wire = reader([0x0b, 0x0c]);
        while (wire.next());
      },
    ],
    'a field of number 0': [/a field number/, () => reader([0x00, 0x01]).next()],
    'an endless integer': [/64 bits/, () => first([8, ...Array<number>(10).fill(255), 1]).int64()],
    'an integer of more than 64 bits': [/64 bits/, () => first([8, ...Array<number>(9).fill(255), 2]).int64()],
    'a length beyond the message': [/at most 1 bytes, found 5/, () => inside([10, 5, 1]).content()],
    'a number beyond the message': [/at most 2 bytes, found 4/, () => inside([0x15, 0, 0]).float32()],
    'a huge length': [/found 18446744073709551615/, () => first([10, ...varint(-1)]).content()],
    'packed numbers that run past their field': [
      /run past|runs past/,
      () => first(message(1, [128]), [1]).integers([]),
    ],
    'text that is none': [/UTF-8/, () => first(message(1, [0xff])).text()],
    'the wrong wire type': [/wire type 2/, () => first(integer(1, 1)).text()],
    'a number that is too large': [/2\^53/, () => first(integer(1, 2n ** 60n)).integer()],
  };

  it.each(Object.entries(damaged))('%s', (_, [pattern, read]) => {
    expect(read).toThrow(RivuletError);
    expect(read).toThrow(pattern);
    expect(read).toThrow(/^test\.onnx: Damaged: a test/);
  });

  it.each<[string, string, () => unknown]>([
    ['an integer', '3 bytes, found 2', () => first([8, 128]).int64()],
    ['a number', '5 bytes, found 3', () => first([0x15, 0, 0]).float32()],
    ['a field', '7 bytes, found 3', () => first([10, 5, 1]).content()],
  ])('a file that is cut short in %s', (_, length, read) => {
    const hint = 'Copy or download the file again';
    expect(read).toThrow(`test.onnx: The file is truncated: expected at least ${length}. ${hint}`);
  });

  it('messages nested too deep', () => {
    let bytes = integer(1, 1);
    for (let i = 0; i <= MAX_MESSAGE_DEPTH; i++) bytes = message(1, bytes);
    let wire = first(bytes);
    const descend = () => {
      for (;;) {
        wire = wire.message('inside');
        wire.next();
      }
    };
    expect(descend).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });
});
