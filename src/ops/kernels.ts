/**
 * The kernels by the module that holds them: `core` in every model, the others only where a plan calls one. The modules
 * share one memory; a kernel's code in a program is its place in the function table.
 */
export const KERNEL_MODULES = {
  /** assembly/index.ts */
  core: [
    'lstm',
    'gru',
    'gruResetBefore',
    'rnn',
    'linear',
    'activation',
    'binary',
    'softmax',
    'layerNormalization',
    'gather',
    'copy',
    'readState',
    'writeState',
  ],
  /** assembly/tensor.ts */
  tensor: [
    'move',
    'reverseTime',
    'take',
    'convolution',
    'causalConvolution',
    'sequenceConvolution',
    'pool',
    'reduce',
    'reduceTime',
    'cumulativeSum',
    'pointwise',
    'where',
    'matMul',
    'normalization',
  ],
  /** assembly/quantized.ts */
  quantized: [
    'lstmInt8',
    'gruInt8',
    'gruResetBeforeInt8',
    'rnnInt8',
    'linearInt8',
    'gatherInt8',
    'lstmBfloat16',
    'gruBfloat16',
    'gruResetBeforeBfloat16',
    'rnnBfloat16',
    'linearBfloat16',
    'gatherBfloat16',
  ],
} as const;

export type KernelModule = keyof typeof KERNEL_MODULES;

export type KernelName = (typeof KERNEL_MODULES)[KernelModule][number];

/** By name, its code in a program: place 0 of the table stays empty. */
export const KERNEL_CODES: ReadonlyMap<KernelName, number> = new Map(
  Object.values(KERNEL_MODULES)
    .flat()
    .map((name, i): [KernelName, number] => [name, i + 1]),
);

/** The module that holds a kernel. */
export function moduleOf(kernel: KernelName): KernelModule {
  for (const [module, kernels] of Object.entries(KERNEL_MODULES) as [KernelModule, readonly KernelName[]][]) {
    if (kernels.includes(kernel)) return module;
  }
  throw new Error(`no module holds ${kernel}`);
}
