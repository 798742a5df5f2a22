// What public calls refuse before they begin.

import { RivuletError } from './errors.js';

/**
 * Refuses options that a call does not know: one that is misspelt would be passed over in silence. Undefined ones are absent.
 * @param call for the message
 * @throws RivuletError `INVALID_OPTION`
 */
export function checkOptions(options: object | undefined, known: readonly string[], call?: string): void {
  const refuse = (what: string, found: string) =>
    new RivuletError('INVALID_OPTION', call === undefined ? what : `${call}: ${what}`, {
      expected: known.join(', '),
      found,
    });
  if (typeof options !== 'object' || options === null) throw refuse('options are no object', shown(options));
  const stranger = Object.entries(options).find(([name, value]) => value !== undefined && !known.includes(name));
  if (stranger) throw refuse('no such option', stranger[0]);
}

/** A value as a message names it: the text "3" is not the number 3; of an object what it is. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  return typeof value === 'object' && value ? (value.constructor?.name ?? 'an object') : String(value);
}
