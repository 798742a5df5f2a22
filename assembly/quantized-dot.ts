// The quantized module for engines that have relaxed instructions, beside a simd core: integers are multiplied by them, which
// is exact, and float32 as simd does it. So the bits are those of the simd build.

// @ts-ignore: decorator
@global const STRICT_FLOATS: bool = true;

export * from './quantized';
