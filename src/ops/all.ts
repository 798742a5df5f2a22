import { transpose } from './move.js';
import type { Operators } from './operator.js';
import { OPERATORS } from './registry.js';

/**
 * Every operator that runs: the core's, and those that only some graphs need, loaded when one does. Where a name stands
 * in both, this one takes more forms, and makes the core's calls of the forms that the core has.
 */
export const ALL_OPERATORS: Operators = new Map([
  ...OPERATORS,
  ...[transpose].map((operator): [string, typeof operator] => [operator.op, operator]),
]);
