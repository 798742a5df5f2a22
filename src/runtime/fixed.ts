import { RivuletError } from '../errors.js';
import type { Plan } from '../plan/plan.js';

/**
 * Whether an input is one that was given once for all when the model was loaded: it may be given again, as it was.
 * @throws RivuletError `INVALID_INPUT` where it is another value now.
 */
export function isFixed({ fixed }: Plan, name: string, given: number | ArrayLike<number> | undefined): boolean {
  const values = fixed?.[name];
  if (!values) return false;
  if (typeof given === 'number') {
    if (values.length === 1 && values[0] === given) return true;
  } else if (given && given.length === values.length) {
    let i = 0;
    while (i < values.length && values[i] === given[i]) i++;
    if (i === values.length) return true;
  }
  throw new RivuletError('INVALID_INPUT', `input "${name}" was fixed when the model was loaded`, {
    tensor: name,
    expected: values.join(', '),
    found: typeof given === 'number' ? String(given) : given ? Array.from(given).slice(0, 8).join(', ') : 'nothing',
    hint: 'Load the model again for another value',
  });
}
