import { defineConfig } from 'vitest/config';

const [major] = process.versions.node.split('.').map(Number);

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Tests that count garbage or hold a core busy must not share a thread with others' globals.
    pool: 'forks',
    // gc() for the tests that weigh garbage; Node 20 runs the relaxed build behind a flag that Node 22 no longer knows.
    execArgv: ['--expose-gc', ...(major < 22 ? ['--experimental-wasm-relaxed-simd'] : [])],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
