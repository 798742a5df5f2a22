// The modules that the kernels are compiled into, and the builds of each: one list for whatever compiles, checks or ships
// them. src/ops/kernels.ts says which kernel is in which.
import { readFileSync } from 'node:fs';

/** `multiplies`: holds multiply-adds, which the relaxed build fuses. A module's own data lies from `memoryBase` up to the next module's; the arena begins behind the last. */
export const MODULES = [
  { module: 'core', entry: 'assembly/index.ts', memoryBase: 64, multiplies: true },
  { module: 'tensor', entry: 'assembly/tensor.ts', memoryBase: 4096, multiplies: true },
  { module: 'quantized', entry: 'assembly/quantized.ts', memoryBase: 8192, multiplies: true },
];

/** Beside the module of the same build, for engines with relaxed instructions: assembly/quantized-dot.ts. */
const VARIANTS = [
  {
    name: 'simd-quantized-dot',
    build: 'simd',
    module: 'quantized',
    target: 'relaxed',
    entry: 'assembly/quantized-dot.ts',
  },
];

/** The asserting builds are for the tests alone. */
export const RELEASE_BUILDS = ['scalar', 'simd', 'relaxed'];

/**
 * Every file below build/kernels/: `simd` is the core module, `simd-tensor` the tensor module of the same build. `target` is
 * the one of asconfig.json.
 */
export function kernelFiles(root) {
  const { targets } = JSON.parse(readFileSync(new URL('asconfig.json', root), 'utf8'));
  const files = Object.keys(targets).flatMap((build) =>
    MODULES.map(({ module, ...rest }) => ({
      name: module === 'core' ? build : `${build}-${module}`,
      build,
      target: build,
      module,
      release: RELEASE_BUILDS.includes(build),
      ...rest,
    })),
  );
  const variants = VARIANTS.map((variant) => ({
    ...MODULES.find(({ module }) => module === variant.module),
    release: true,
    ...variant,
  }));
  return [...files, ...variants];
}
