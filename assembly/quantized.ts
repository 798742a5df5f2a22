// The quantized module: kernels over weights of fewer bits. It is loaded beside the core module when a plan holds weights
// as int8 or bfloat16.

import {
  narrowGatherStep, narrowGruResetBeforeStep, narrowGruStep, narrowLinearStep, narrowLstmStep, narrowRnnStep,
} from './narrow';

export { layOutBytes, useFourAtOnce } from './integer-product';
export { build, heapBase } from './module';

export function lstmInt8(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowLstmStep<v128, i8>(args, slots, n, steps);
  else narrowLstmStep<f32, i8>(args, slots, n, steps);
}

export function gruInt8(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowGruStep<v128, i8>(args, slots, n, steps);
  else narrowGruStep<f32, i8>(args, slots, n, steps);
}

export function gruResetBeforeInt8(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowGruResetBeforeStep<v128, i8>(args, slots, n, steps);
  else narrowGruResetBeforeStep<f32, i8>(args, slots, n, steps);
}

export function rnnInt8(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowRnnStep<v128, i8>(args, slots, n, steps);
  else narrowRnnStep<f32, i8>(args, slots, n, steps);
}

export function linearInt8(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowLinearStep<v128, i8>(args, slots, n, steps);
  else narrowLinearStep<f32, i8>(args, slots, n, steps);
}

export function lstmBfloat16(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowLstmStep<v128, u16>(args, slots, n, steps);
  else narrowLstmStep<f32, u16>(args, slots, n, steps);
}

export function gruBfloat16(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowGruStep<v128, u16>(args, slots, n, steps);
  else narrowGruStep<f32, u16>(args, slots, n, steps);
}

export function gruResetBeforeBfloat16(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowGruResetBeforeStep<v128, u16>(args, slots, n, steps);
  else narrowGruResetBeforeStep<f32, u16>(args, slots, n, steps);
}

export function rnnBfloat16(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowRnnStep<v128, u16>(args, slots, n, steps);
  else narrowRnnStep<f32, u16>(args, slots, n, steps);
}

export function linearBfloat16(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) narrowLinearStep<v128, u16>(args, slots, n, steps);
  else narrowLinearStep<f32, u16>(args, slots, n, steps);
}

export function gatherInt8(args: usize, slots: usize, n: i32, steps: i32): void {
  narrowGatherStep<i8>(args, slots, n, steps);
}

export function gatherBfloat16(args: usize, slots: usize, n: i32, steps: i32): void {
  narrowGatherStep<u16>(args, slots, n, steps);
}
