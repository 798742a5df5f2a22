import { RivuletError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import type { RefusalOptions } from '../refusals.js';
import { looksLikeZip } from '../zip.js';
import { readArchitecture } from './architecture.js';
import { readArchive } from './archive.js';
import { readHdf5Model } from './hdf5-model.js';
import { translate } from './translate.js';

export interface KerasOptions extends RefusalOptions {
  /** What `model.to_json()` gives, for files that hold weights alone: an object, or the text. */
  architecture?: object | string;
  /** The sequences hold no padding, so that masks may be left out. */
  unpadded?: boolean;
}

/**
 * Reads a model that Keras saved: `.keras`, or HDF5 (`.h5`), whole or its weights with an architecture beside them. The
 * graph has passed `checkGraph`; weights may be views of `bytes`, so leave it unchanged.
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `UNKNOWN_FORMAT` (weights alone, another ZIP archive), `INVALID_FILE`, `UNSUPPORTED_OPERATOR`,
 *   `UNSUPPORTED_ATTRIBUTE`, `LIMIT_EXCEEDED`.
 */
export async function readKeras(bytes: Uint8Array, file?: string, options: KerasOptions = {}): Promise<Graph> {
  const { architecture, unpadded = false, onRefusal } = options;
  try {
    const given = architecture === undefined ? undefined : readArchitecture(architecture, file);
    const { topology, weights } = await (looksLikeZip(bytes) ? readArchive : readHdf5Model)(bytes, given, file);
    const { model, kerasVersion } = topology;
    return translate({ topology: model, weights, kerasVersion, name: 'model', file, unpadded, onRefusal });
  } catch (error) {
    throw error instanceof RivuletError && error.file === undefined ? error.inFile(file) : error;
  }
}
