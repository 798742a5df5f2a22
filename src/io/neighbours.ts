import { RivuletError } from '../errors.js';
import { type ReadOptions, readSource } from './source.js';

/** Bytes by name: the files that a model consists of besides the first. */
export type Files = Readonly<Record<string, ArrayBuffer | ArrayBufferView>>;

/** Reads a file by the name that another file calls it, relative to that one's folder. */
export type Neighbours = (name: string) => Promise<Uint8Array>;

/**
 * The files beside one.
 *
 * @param location path or URL of the one that names them, where it has one.
 * @param given goes before what lies beside it.
 * @returns a function that throws RivuletError `INVALID_FILE` for a name that leads out of the folder, `INVALID_INPUT` where
 *   the file is not given and its place is not known, and whatever reading throws.
 */
export function neighboursOf(location: string | undefined, given: Files = {}, options: ReadOptions = {}): Neighbours {
  return async (name) => {
    if (Object.hasOwn(given, name)) return (await readSource(given[name], options)).bytes;
    checkName(name, location);
    if (location !== undefined) return (await readSource(beside(location, name), options)).bytes;
    throw new RivuletError('INVALID_INPUT', 'The model is in several files, of which one is not there', {
      expected: `"${name}"`,
      hint: `Load it by its path or URL, or give the bytes: files: { ${JSON.stringify(name)}: bytes }`,
    });
  };
}

/** A file may name what lies beside it or below, nothing else: the name comes from the file. */
function checkName(name: string, file: string | undefined): void {
  const parts = name.split('/');
  const plain = /^[^\\:?#%\0]{1,1024}$/.test(name);
  if (plain && !parts.some((part) => part === '' || part === '.' || part === '..')) return;
  throw new RivuletError('INVALID_FILE', 'The file names another that is not beside it', {
    file,
    expected: 'a name without "..", "\\", ":", "?", "#" or "%"',
    found: JSON.stringify(name.slice(0, 100)),
  });
}

/** The path or URL of `name` in the folder of `location`; what follows ? in a URL, such as a token, stays. */
function beside(location: string, name: string): string {
  const [path, query = ''] = /^(https?|file|blob):/i.test(location)
    ? splitAt(location, location.search(/[?#]/))
    : [location];
  const folder = path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  return `${folder}${name}${query}`;
}

function splitAt(text: string, at: number): [string, string] {
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at)];
}
