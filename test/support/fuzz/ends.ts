import { RivuletError } from '../../../src/errors.js';

/** Whether a call returned. A RivuletError is an answer too; any other error is thrown on. */
export function ends(call: () => unknown): boolean {
  try {
    call();
    return true;
  } catch (error) {
    if (error instanceof RivuletError) return false;
    throw error;
  }
}
