import { RivuletError } from '../../errors.js';
import type { Neighbours } from '../../io/neighbours.js';
import type { OnnxGraph, OnnxModel, OnnxTensor } from './model.js';

/** Files that the weights of one model may lie in. */
const MAX_EXTERNAL_FILES = 256;

/**
 * Reads weights that lie in other files, and puts them where the tensors look for them.
 * @throws RivuletError `INVALID_FILE` (a name that leads elsewhere, a place outside the file), `LIMIT_EXCEEDED`, and
 *   whatever reading a neighbour throws.
 */
export async function readExternal(model: OnnxModel, neighbours: Neighbours, file: string | undefined): Promise<void> {
  const tensors = tensorsOf(model.graph).filter(({ external }) => external);
  const locations = new Set(tensors.map(({ external }) => external!.location));
  if (locations.size > MAX_EXTERNAL_FILES) {
    throw new RivuletError('LIMIT_EXCEEDED', 'The weights lie in too many files', {
      file,
      expected: `at most ${MAX_EXTERNAL_FILES}`,
      found: `${locations.size}`,
    });
  }
  const read = new Map<string, Uint8Array>();
  for (const location of locations) read.set(location, await neighbours(location));
  for (const tensor of tensors) tensor.raw = part(tensor, read.get(tensor.external!.location)!, file);
}

/** The tensor's part of a file. */
function part({ name, external }: OnnxTensor, bytes: Uint8Array, file: string | undefined): Uint8Array {
  const { location, offset, length = bytes.length - offset } = external!;
  if (offset >= 0 && length >= 0 && offset + length <= bytes.length) return bytes.subarray(offset, offset + length);
  throw new RivuletError('INVALID_FILE', 'A tensor lies outside the file that holds it', {
    file,
    tensor: name,
    expected: `a part of the ${bytes.length} bytes of "${location}"`,
    found: `bytes ${offset} to ${offset + length}`,
  });
}

/** Every tensor of a graph and of the graphs inside it. */
function tensorsOf({ initializers, nodes }: OnnxGraph): OnnxTensor[] {
  const inside = nodes.flatMap(({ attributes }) =>
    [...attributes.values()].flatMap((attribute) => {
      if (attribute.kind === 'graph') return tensorsOf(attribute.value);
      return attribute.kind === 'tensor' ? [attribute.value] : [];
    }),
  );
  return [...initializers, ...inside];
}
