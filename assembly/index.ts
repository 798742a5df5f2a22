// The core module, in every model. What every build exports: one function per kernel, all called as
// kernel(args, slots, n, steps) (see memory.ts), and `execute`, which runs a plan's whole list of calls in one crossing
// from JavaScript.

import { activationStep, binaryStep } from './elementwise';
import { copyStep, gatherStep, readStateStep, writeStateStep } from './copy';
import { gruResetBeforeStep, gruStep } from './gru';
import { layerNormalizationStep, softmaxStep } from './normalization';
import { linearStep } from './linear';
import { lstmStep } from './lstm';
import { rnnStep } from './rnn';

export { build, heapBase } from './module';
export { useThreePanels } from './product';
export { mixWords, packRows } from './staging';

export function lstm(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) lstmStep<v128>(args, slots, n, steps);
  else lstmStep<f32>(args, slots, n, steps);
}

export function gru(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) gruStep<v128>(args, slots, n, steps);
  else gruStep<f32>(args, slots, n, steps);
}

export function gruResetBefore(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) gruResetBeforeStep<v128>(args, slots, n, steps);
  else gruResetBeforeStep<f32>(args, slots, n, steps);
}

export function rnn(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) rnnStep<v128>(args, slots, n, steps);
  else rnnStep<f32>(args, slots, n, steps);
}

export function linear(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) linearStep<v128>(args, slots, n, steps);
  else linearStep<f32>(args, slots, n, steps);
}

export function activation(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) activationStep<v128>(args, slots, n, steps);
  else activationStep<f32>(args, slots, n, steps);
}

export function binary(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) binaryStep<v128>(args, slots, n, steps);
  else binaryStep<f32>(args, slots, n, steps);
}

export function softmax(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) softmaxStep<v128>(args, slots, n, steps);
  else softmaxStep<f32>(args, slots, n, steps);
}

export function layerNormalization(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) layerNormalizationStep<v128>(args, slots, n, steps);
  else layerNormalizationStep<f32>(args, slots, n, steps);
}

export function gather(args: usize, slots: usize, n: i32, steps: i32): void {
  gatherStep(args, slots, n, steps);
}

export function copy(args: usize, slots: usize, n: i32, steps: i32): void {
  copyStep(args, slots, n, steps);
}

export function readState(args: usize, slots: usize, n: i32, steps: i32): void {
  readStateStep(args, slots, n, steps);
}

export function writeState(args: usize, slots: usize, n: i32, steps: i32): void {
  writeStateStep(args, slots, n, steps);
}

/**
 * Runs `calls` calls: [code, address of the argument words] each. A code is a place in the function table, where the
 * runtime puts the kernels of every module that the model needs (src/ops/kernels.ts), so a plan that calls several
 * modules is still one crossing.
 */
export function execute(program: usize, calls: i32, slots: usize, n: i32, steps: i32): void {
  for (const end = program + (<usize>calls << 3); program < end; program += 8) {
    call_indirect<void>(load<u32>(program), <usize>load<u32>(program, 4), slots, n, steps);
  }
}

/** 1 if all `count` float32 at `address` are finite: x * 0 is 0 then, NaN otherwise. */
export function finite(address: usize, count: i32): i32 {
  const end = address + (<usize>count << 2);
  let sum: f32 = 0;
  if (ASC_FEATURE_SIMD) {
    let lanes = f32x4.splat(0);
    for (const whole = address + (<usize>(count & ~3) << 2); address < whole; address += 16) {
      lanes = f32x4.add(lanes, f32x4.mul(v128.load(address), f32x4.splat(0)));
    }
    sum = f32x4.extract_lane(lanes, 0) + f32x4.extract_lane(lanes, 1) + f32x4.extract_lane(lanes, 2) + f32x4.extract_lane(lanes, 3);
  }
  for (; address < end; address += 4) sum += load<f32>(address) * 0;
  return sum == 0 ? 1 : 0;
}
