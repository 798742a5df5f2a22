import { readFileSync } from 'node:fs';
import binaryen from 'binaryen';
import { describe, expect, it } from 'vitest';
import { checkKernels } from '../../scripts/check-kernels.mjs';

const SPLAT = '(f32x4.splat (f32.const 1))';
const BODIES = {
  scalar: '(drop (f32.const 1))',
  simd: `(drop (f32x4.add ${SPLAT} ${SPLAT}))`,
  relaxed: `(drop (f32x4.relaxed_madd ${SPLAT} ${SPLAT} ${SPLAT}))`,
};

function assemble(body: string, { imports = '', name = 'kernel' } = {}): Uint8Array {
  const module = binaryen.parseText(
    `(module (import "env" "memory" (memory 1)) ${imports} (func (export "${name}") ${body}))`,
  );
  module.setFeatures(binaryen.Features.All);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

/** The faults of the three builds, one of them replaced. */
function faultsWith(changed: Partial<Record<keyof typeof BODIES, Uint8Array>>): string[] {
  const names = Object.keys(BODIES) as (keyof typeof BODIES)[];
  return checkKernels(names.map((name) => ({ name, bytes: changed[name] ?? assemble(BODIES[name]) }))).faults;
}

describe('the check of the kernel builds', () => {
  it('passes what is right', () => {
    expect(faultsWith({})).toEqual([]);
  });

  it.each([
    [
      'an import',
      { simd: assemble(BODIES.simd, { imports: '(import "env" "abort" (func))' }) },
      'simd imports env.abort',
    ],
    ['growing memory', { scalar: assemble('(drop (memory.grow (i32.const 1)))') }, 'scalar holds memory.grow'],
    ['a vector in scalar', { scalar: assemble(BODIES.simd) }, 'scalar holds vector instructions'],
    ['no vector in simd', { simd: assemble(BODIES.scalar) }, 'simd holds no vector instructions'],
    ['a relaxed instruction in simd', { simd: assemble(BODIES.relaxed) }, 'simd holds relaxed instructions'],
    ['none in relaxed', { relaxed: assemble(BODIES.simd) }, 'relaxed holds no relaxed instructions'],
  ])('finds %s', (_, changed, fault) => {
    expect(faultsWith(changed)).toEqual([expect.stringContaining(fault)]);
  });

  it('finds data where another module has its own', () => {
    const builds = Object.entries(BODIES).map(([name, body]) => ({
      name,
      bytes: assemble(body, { imports: name === 'simd' ? '(data (i32.const 64) "a\\00\\"b")' : '' }),
    }));
    expect(checkKernels(builds, { memoryBase: 64, memoryEnd: 68 }).faults).toEqual([]);
    for (const limits of [{ memoryBase: 65 }, { memoryEnd: 67 }]) {
      expect(checkKernels(builds, limits).faults).toEqual(['simd has data at 64..68, outside its own']);
    }
  });

  it('finds exports that differ', () => {
    expect(faultsWith({ relaxed: assemble(BODIES.relaxed, { name: 'other' }) })).toEqual([
      'relaxed lacks what scalar exports: func kernel',
      'relaxed exports what scalar does not: func other',
    ]);
  });
});

describe('the quantized module for relaxed instructions', () => {
  it('multiplies integers by them, and floats never', () => {
    const module = binaryen.readBinary(readFileSync('build/kernels/simd-quantized-dot.wasm'));
    const text = module.emitText();
    module.dispose();
    expect(text).toContain('i16x8.relaxed_dot');
    expect(text).not.toContain('relaxed_madd');
  });
});
