import { RivuletError } from './errors.js';

/**
 * Refuses options that there are not, such as a misspelt one, which would be passed over. Undefined ones count as absent.
 * @throws RivuletError `INVALID_OPTION`
 */
export function checkOptions(options: object | undefined, known: readonly string[]): void {
  const isRecord = options === undefined || (typeof options === 'object' && options !== null);
  const given = isRecord ? Object.entries(options ?? {}) : [[JSON.stringify(options), options]];
  const stranger = given.find(([name, value]) => value !== undefined && !known.includes(name));
  if (!stranger) return;
  throw new RivuletError('INVALID_OPTION', isRecord ? 'no such option' : 'options are an object', {
    expected: known.join(', '),
    found: stranger[0],
  });
}
