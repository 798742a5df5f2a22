import { describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel, loadModelSync, loadOperators, RivuletError } from '../../src/index.js';
import { KERNEL_MODULES, type KernelModule } from '../../src/ops/kernels.js';
import { builds, kernelSet } from '../assembly/harness.js';
import { graphOf, node, numbers, value } from '../support/graphs.js';

/** A graph that the core's operators can't run: axes inside a step change places. */
const bytes = writeNative(
  graphOf({
    inputs: [value('x', ['T', 'N', 2, 3])],
    outputs: [value('y', ['T', 'N', 3, 2])],
    nodes: [node('Transpose', ['x'], 't', { perm: [0, 1, 3, 2] }), node('Tanh', ['t'], 'y')],
  }),
);
const x = numbers(12, 1);
const expected = Array.from({ length: 12 }, (_, i) => {
  const [step, at] = [Math.floor(i / 6), i % 6];
  return Math.tanh(x[step * 6 + (at % 2) * 3 + (at >> 1)]);
});

describe('kernel modules', () => {
  it('export the kernels that are listed, in every build', () => {
    for (const build of builds) {
      for (const [name, module] of Object.entries(kernelSet(build))) {
        const exported = WebAssembly.Module.exports(module).map((one) => one.name);
        const own = {
          core: ['execute', 'finite', 'mixWords', 'packRows', 'useThreePanels'],
          tensor: [],
          quantized: ['layOutBytes', 'useFourAtOnce'],
        }[name as KernelModule];
        const expected = [...KERNEL_MODULES[name as KernelModule], ...own, 'build', 'heapBase'];
        expect(exported.sort()).toEqual(expected.sort());
      }
    }
  });

  it('are loaded where a model needs them, and no others', async () => {
    for (const build of builds) {
      using model = await loadModel(bytes, { kernels: build });
      expect(model.plan().modules).toEqual(['core', 'tensor']);
      const found = model.createStream().run(x);
      for (const [i, number] of expected.entries()) expect(found[i]).toBeCloseTo(number, 6);
    }
    const plain = writeNative(
      graphOf({
        inputs: [value('x', ['T', 'N', 2])],
        outputs: [value('y', ['T', 'N', 2])],
        nodes: [node('Tanh', ['x'], 'y')],
      }),
    );
    expect((await loadModel(plain)).plan().modules).toEqual(['core']);
  });

  it('are given at once, in any order, with the operators', async () => {
    const { core, tensor } = kernelSet('simd');
    const operators = await loadOperators();
    const auto = await loadModel(bytes, { kernels: 'simd' });
    for (const kernels of [
      [core, tensor!],
      [tensor!, core],
    ]) {
      const model = loadModelSync(bytes, { kernels, operators });
      expect(model.createStream().run(x)).toEqual(auto.createStream().run(x));
      expect((await loadModel(bytes, { kernels })).createStream().run(x)).toEqual(auto.createStream().run(x));
    }
  });

  it('are asked for by name where they are missing', async () => {
    const { core, tensor } = kernelSet('simd');
    const operators = await loadOperators();
    const scalar = kernelSet('scalar').tensor!;
    const refusal = (attempt: () => unknown) => {
      try {
        attempt();
      } catch (error) {
        if (error instanceof RivuletError) return `${error.code}: ${error.message}`;
      }
      return 'none';
    };
    expect(refusal(() => loadModelSync(bytes, { kernels: core, operators }))).toMatch(
      /INVALID_OPTION.*simd-tensor\.wasm/,
    );
    expect(refusal(() => loadModelSync(bytes, { kernels: [core, tensor!] }))).toMatch(
      /UNSUPPORTED_OPERATOR.*loadOperators/,
    );
    expect(refusal(() => loadModelSync(bytes, { kernels: tensor!, operators }))).toMatch(/INVALID_OPTION/);
    expect(refusal(() => loadModelSync(bytes, { kernels: [core, scalar], operators }))).toMatch(/INVALID_OPTION/);
    await expect(loadModel(bytes, { kernels: core })).rejects.toThrow(/simd-tensor\.wasm/);
  });
});
