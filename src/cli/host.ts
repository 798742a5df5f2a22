import type { Readable, Writable } from 'node:stream';
import { RivuletError } from '../errors.js';
import type { Arguments, Syntax } from './options.js';
import type { Output } from './output.js';

/** What the command line needs of its process; tests give their own. */
export interface Host {
  readonly stdin: Readable;
  readonly stdout: Writable & { isTTY?: boolean };
  readonly stderr: Writable & { isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires when the user interrupts. */
  readonly signal: AbortSignal;
}

/** What a verb works with. */
export interface Context {
  readonly stdin: Readable;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly signal: AbortSignal;
}

export interface Verb extends Syntax {
  /** Rejects with UsageError, RivuletError, or what a standard stream failed of. */
  run(args: Arguments, context: Context): Promise<void>;
}

/** @throws RivuletError `ABORTED` */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new RivuletError('ABORTED', 'Interrupted', { cause: signal.reason });
}
