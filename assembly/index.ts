// What every build exports: one function per kernel, all called as kernel(args, slots, n, steps) (see memory.ts), and
// `execute`, which runs a plan's whole list of calls in one crossing from JavaScript.

import { activationStep, binaryStep } from './elementwise';
import { copyStep, gatherStep, readStateStep, writeStateStep } from './copy';
import { gruResetBeforeStep, gruStep } from './gru';
import { layerNormalizationStep, softmaxStep } from './normalization';
import { linearStep } from './linear';
import { lstmStep } from './lstm';
import { rnnStep } from './rnn';

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

/** Codes of the kernels in a program; src/plan/plan.ts has the same table with their names. */
export function execute(program: usize, calls: i32, slots: usize, n: i32, steps: i32): void {
  for (const end = program + (<usize>calls << 3); program < end; program += 8) {
    const args = <usize>load<u32>(program, 4);
    switch (load<i32>(program)) {
      case 0:
        lstm(args, slots, n, steps);
        break;
      case 1:
        gru(args, slots, n, steps);
        break;
      case 2:
        gruResetBefore(args, slots, n, steps);
        break;
      case 3:
        rnn(args, slots, n, steps);
        break;
      case 4:
        linear(args, slots, n, steps);
        break;
      case 5:
        activation(args, slots, n, steps);
        break;
      case 6:
        binary(args, slots, n, steps);
        break;
      case 7:
        softmax(args, slots, n, steps);
        break;
      case 8:
        layerNormalization(args, slots, n, steps);
        break;
      case 9:
        gather(args, slots, n, steps);
        break;
      case 10:
        copy(args, slots, n, steps);
        break;
      case 11:
        readState(args, slots, n, steps);
        break;
      default:
        writeState(args, slots, n, steps);
    }
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

/** Which build this is: 0 scalar, 1 simd, 2 relaxed. */
export function build(): i32 {
  if (ASC_FEATURE_RELAXED_SIMD) return 2;
  if (ASC_FEATURE_SIMD) return 1;
  return 0;
}

/** The first address that is the caller's. */
export function heapBase(): usize {
  return __heap_base;
}
