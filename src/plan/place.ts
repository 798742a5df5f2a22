import type { Argument } from '../ops/operator.js';
import { roundUp } from '../ops/pack.js';
import type { Plan, PlanValue } from './plan.js';

/** What decides how long a value is needed. */
type Ports = Pick<Plan, 'calls' | 'inputs' | 'outputs'>;

/**
 * Gives every value its place: two values share memory where no call needs both. Offsets are bytes of one row; the arena
 * multiplies them by the number of rows it is laid out for.
 */
export function placeValues(
  lowered: Ports,
  widths: ReadonlyMap<string, number>,
): { values: PlanValue[]; rowBytes: number } {
  const lifetimes = findLifetimes(lowered, widths);
  const placed: PlanValue[] = [];
  /** Those already placed that a later call still touches. */
  let living: (PlanValue & Lifetime)[] = [];
  let rowBytes = 0;
  for (const [name, lifetime] of [...lifetimes].sort((a, b) => a[1].first - b[1].first)) {
    const width = widths.get(name)!;
    // Whole panels of 16 float32: what a linear kernel stores.
    const stride = roundUp(width * 4, 64);
    living = living.filter((other) => other.last >= lifetime.first).sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of living) {
      if (offset + stride <= other.offset) break;
      offset = Math.max(offset, other.offset + other.stride);
    }
    placed.push({ name, width, stride, offset });
    living.push({ name, width, stride, offset, ...lifetime });
    rowBytes = Math.max(rowBytes, offset + stride);
  }
  return { values: placed, rowBytes };
}

interface Lifetime {
  /** Index of the first and last call that touches the value; inputs live from before the first, outputs past the last. */
  first: number;
  last: number;
}

function findLifetimes({ calls, inputs, outputs }: Ports, widths: ReadonlyMap<string, number>): Map<string, Lifetime> {
  const lifetimes = new Map<string, Lifetime>();
  const touch = (name: string, at: number) => {
    const known = lifetimes.get(name);
    if (!known) lifetimes.set(name, { first: at, last: at });
    else known.last = Math.max(known.last, at);
  };
  for (const { value } of inputs) touch(value, -1);
  for (const [at, call] of calls.entries()) {
    for (const argument of Object.values(call.arguments)) if (isValue(argument)) touch(argument.value, at);
  }
  for (const { value } of outputs) touch(value, calls.length);
  for (const name of widths.keys()) touch(name, lifetimes.get(name)?.first ?? -1);
  return lifetimes;
}

const isValue = (argument: Argument): argument is { value: string } =>
  typeof argument === 'object' && 'value' in argument;
