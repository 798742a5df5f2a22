import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hotLoops, listHotLoops } from '../../scripts/hot-loops.mjs';

const HINT = 'where this is meant, `npm run codegen` writes it down: say in the commit what it does to the time';

/** What stands behind the name of each loop. */
const byLoop = (lines: string[]) =>
  new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));

/** A sentence about each loop that is not what it was. */
function changes(before: string[], now: string[]): string[] {
  const [was, is] = [byLoop(before), byLoop(now)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((loop) => was.get(loop) !== is.get(loop))
    .map((loop) => `${loop}\n  was ${was.get(loop) ?? 'not there'}\n  is  ${is.get(loop) ?? 'gone'}`);
}

describe('the hot loops of the kernels', () => {
  it('hold the instructions that were reviewed', () => {
    const reviewed = readFileSync(new URL('codegen.txt', import.meta.url), 'utf8').split('\n');
    const lines = reviewed.filter((line) => line !== '' && !line.startsWith('#'));
    const found = changes(lines, listHotLoops(new URL('../../', import.meta.url)));
    expect(found.length, `${found.join('\n')}\n${HINT}`).toBe(0);
  });

  it('are told from what else a function holds', () => {
    const text = [
      ' (func $"assembly/a/f<v128,i8>" (param $0 i32)',
      '  f32x4.mul', // in no loop
      '  loop $outer',
      '   loop $first',
      '    local.get $0',
      '    v128.load offset=16',
      '    v128.load32_splat',
      '    if',
      '     f32x4.relaxed_madd',
      '    end',
      '    i32.const 16',
      '    i32.add',
      '    local.tee $0',
      '    br_if $first',
      '   end',
      '   loop $copies',
      '    v128.load',
      '   end',
      '   loop $last',
      '    i16x8.relaxed_dot_i8x16_i7x16_s',
      '   end',
      '  end',
      ' )',
      ' (func $assembly/b/g<v128> (result f32)',
      '  loop $only',
      '   f32x4.mul',
      '  end',
      ' )',
    ].join('\n');
    const first = { load: 1, splat: 1, branch: 2, fused: 1, scalar: 1, set: 1 };
    expect(hotLoops(text)).toEqual([
      { name: 'a/f<i8> 1', counts: first },
      { name: 'a/f<i8> 3', counts: { dot: 1 } },
      { name: 'b/g 1', counts: { multiply: 1 } },
    ]);
  });

  it('are named where they change', () => {
    const [a, b, c] = [
      'simd a/f 1: 1.00 = 1 / 1: 1 fused',
      'simd a/f 2: 2.00 = 2 / 1: 1 fused, 1 load',
      'simd b/g 1: x',
    ];
    expect(changes([a, b], [b, a])).toEqual([]);
    expect(changes([a, b], [a.replace('1.00 = 1', '2.00 = 2'), c])).toEqual([
      'simd a/f 1\n  was 1.00 = 1 / 1: 1 fused\n  is  2.00 = 2 / 1: 1 fused',
      'simd a/f 2\n  was 2.00 = 2 / 1: 1 fused, 1 load\n  is  gone',
      'simd b/g 1\n  was not there\n  is  x',
    ]);
  });
});
