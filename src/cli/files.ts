import * as fs from 'node:fs/promises';
import { RivuletError } from '../errors.js';

/** @throws RivuletError `IO` naming the file */
export async function writeFile(path: string, data: string | Uint8Array): Promise<void> {
  try {
    await fs.writeFile(path, data);
  } catch (cause) {
    throw new RivuletError('IO', 'Writing failed', {
      file: path,
      found: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}
