// The tensor module: kernels that only some models need. It is loaded beside the core module, over the same memory, when
// a plan calls one of them.

import { moveStep } from './move';

export { build, heapBase } from './module';

export function move(args: usize, slots: usize, n: i32, steps: i32): void {
  moveStep(args, slots, n, steps);
}
