// Which outputs are older than what they are made from: the whole of the build's incremental logic.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Modification time of a file, or of the newest file below a folder, in ms; -Infinity where nothing is. */
export function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return Number.NEGATIVE_INFINITY;
  if (!stat.isDirectory()) return stat.mtimeMs;
  // The folder's own time counts too: it changes when a file is deleted.
  return readdirSync(path).reduce((time, name) => Math.max(time, newest(join(path, name))), stat.mtimeMs);
}

/** True when an output is missing or older than any of the sources. */
export function isStale(outputs, sources) {
  const made = Math.min(...outputs.map(newest));
  return sources.some((source) => newest(source) > made);
}
