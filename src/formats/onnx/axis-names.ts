import { RivuletError, UNSAID } from '../../errors.js';
import { type Role, resolve, showLengths } from '../lengths.js';
import { type Draft, unknownOperator, type Value } from './builder.js';

const TIME_NAME =
  /^(t|time|seq|sequence|len|length|frames?|steps?|chars?|tokens?)($|[_.\d]|len|length|steps?)|(_|[a-z])(len|length|steps?|frames)$/i;
const BATCH_NAME = /^(n|b|bs|batch)($|[_.\d]|size)/i;

/**
 * Gives the axes of inputs and states that no cell spoke about their meaning: by their names, then by their places.
 * @param drafts the nodes that are kept: one that nobody knows is to blame where an axis can't be told.
 * @throws RivuletError `UNSUPPORTED_OPERATOR` where an axis can be neither time nor batch.
 */
export function nameAxes(values: readonly Value[], drafts: readonly Draft[], file: string | undefined): void {
  for (const { name, shape } of values) {
    for (const [place, length] of (shape ?? []).entries()) {
      const axis = resolve(length);
      if (typeof axis === 'number' || axis.role || axis.fixed !== undefined) continue;
      const taken = new Set(shape!.map(resolve).map((other) => (typeof other === 'number' ? undefined : other.role)));
      const role = guess(axis.label, place, taken);
      if (role) {
        axis.role = role;
        continue;
      }
      const foreign = drafts.find(({ unknown }) => unknown);
      if (foreign) throw unknownOperator(foreign.op, foreign.name, file);
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'An axis of unknown length', {
        file,
        tensor: name,
        expected: `lengths, and at most one axis of time and one of batch`,
        found: showLengths(shape!),
        hint: 'Export the model with it fixed, or say what it is when loading',
        options: { shapes: { [name]: UNSAID } },
      });
    }
  }
}

function guess(label: string, place: number, taken: ReadonlySet<Role | undefined>): Role | undefined {
  const free = (role: Role) => !taken.has(role);
  if (BATCH_NAME.test(label) && free('N')) return 'N';
  if (TIME_NAME.test(label) && free('T')) return 'T';
  if (place === 0 && free('N')) return 'N';
  return free('T') && place > 0 ? 'T' : free('N') ? 'N' : undefined;
}
