// The tensor module: kernels that only some models need. It is loaded beside the core module, over the same memory, when
// a plan calls one of them.

import { causalConvolutionStep, convolutionStep, sequenceConvolutionStep } from './convolution';
import { normalizationStep } from './group-normalization';
import { matMulStep } from './matmul';
import { moveStep, reverseTimeStep, takeStep } from './move';
import { pointwiseStep, whereStep } from './pointwise';
import { poolStep } from './pooling';
import { cumulativeSumStep, reduceStep, reduceTimeStep } from './reduction';

export { build, heapBase } from './module';

export function move(args: usize, slots: usize, n: i32, steps: i32): void {
  moveStep(args, slots, n, steps);
}

export function reverseTime(args: usize, slots: usize, n: i32, steps: i32): void {
  reverseTimeStep(args, slots, n, steps);
}

export function take(args: usize, slots: usize, n: i32, steps: i32): void {
  takeStep(args, slots, n, steps);
}

export function convolution(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) convolutionStep<v128>(args, slots, n, steps);
  else convolutionStep<f32>(args, slots, n, steps);
}

export function causalConvolution(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) causalConvolutionStep<v128>(args, slots, n, steps);
  else causalConvolutionStep<f32>(args, slots, n, steps);
}

export function sequenceConvolution(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) sequenceConvolutionStep<v128>(args, slots, n, steps);
  else sequenceConvolutionStep<f32>(args, slots, n, steps);
}

export function pool(args: usize, slots: usize, n: i32, steps: i32): void {
  poolStep(args, slots, n, steps);
}

export function reduce(args: usize, slots: usize, n: i32, steps: i32): void {
  reduceStep(args, slots, n, steps);
}

export function reduceTime(args: usize, slots: usize, n: i32, steps: i32): void {
  reduceTimeStep(args, slots, n, steps);
}

export function cumulativeSum(args: usize, slots: usize, n: i32, steps: i32): void {
  cumulativeSumStep(args, slots, n, steps);
}

export function pointwise(args: usize, slots: usize, n: i32, steps: i32): void {
  pointwiseStep(args, slots, n, steps);
}

export function where(args: usize, slots: usize, n: i32, steps: i32): void {
  whereStep(args, slots, n, steps);
}

export function matMul(args: usize, slots: usize, n: i32, steps: i32): void {
  if (ASC_FEATURE_SIMD) matMulStep<v128>(args, slots, n, steps);
  else matMulStep<f32>(args, slots, n, steps);
}

export function normalization(args: usize, slots: usize, n: i32, steps: i32): void {
  normalizationStep(args, slots, n, steps);
}
