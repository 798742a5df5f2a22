import { RivuletError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import { Fields } from '../fields.js';
import type { JsonObject } from '../json.js';
import { modelName } from '../names.js';
import type { RefusalOptions } from '../refusals.js';
import { type Architecture, readArchitecture } from './architecture.js';
import { inferGraph } from './infer.js';
import { tensorsOf } from './json.js';
import { readStateFile } from './state-dict.js';

export { looksLikePyTorch } from './archive.js';
export { readGuitarAmp } from './guitar-amp.js';

export interface PyTorchOptions extends RefusalOptions {
  /** The graph's name; the file's without its ending unless given. */
  name?: string;
  /** What the weights leave open: an object, or its JSON. Goes before the file's own. */
  architecture?: Architecture | object | string;
}

const OWN = 'rivulet.';
const ARCHITECTURE = `${OWN}architecture`;

/**
 * Reads a PyTorch state dict (`.pt` or `.pth`, ZIP or legacy, or safetensors) into a graph that `checkGraph` has passed.
 * Most tensors are views of `bytes`, so leave it unchanged.
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError as `readStateDict` and `inferGraph` do.
 */
export function readPyTorch(bytes: Uint8Array, file?: string, options: PyTorchOptions = {}): Graph {
  try {
    return read(bytes, file, options);
  } catch (error) {
    throw error instanceof RivuletError && error.file === undefined ? error.inFile(file) : error;
  }
}

/**
 * Reads a state dict that was written as JSON, `{name: tensor.tolist()}`, in the order of the module.
 * @throws RivuletError as {@link readPyTorch} does.
 */
export function readPyTorchJson(
  json: JsonObject,
  file?: string,
  { architecture, onRefusal }: PyTorchOptions = {},
): Graph {
  const tensors = tensorsOf(new Fields(json, 'state_dict', file), file);
  return inferGraph(tensors, { name: modelName(file), architecture, file, onRefusal });
}

function read(bytes: Uint8Array, file: string | undefined, options: PyTorchOptions): Graph {
  const given = options.architecture === undefined ? undefined : readArchitecture(options.architecture, file);
  const { tensors, ordered, modules, metadata } = readStateFile(bytes, file, given?.stateDict);
  const kept: [string, string][] = [];
  for (const [key, text] of metadata) {
    // torch's own mark, "pt": a graph is no longer what it says.
    if (key === 'format' || key === ARCHITECTURE) continue;
    if (key.startsWith(OWN)) {
      throw new RivuletError('INVALID_FILE', '__metadata__ has a reserved key that nobody reads', {
        file,
        found: `"${key.slice(0, 100)}"`,
      });
    }
    kept.push([key, text]);
  }
  return inferGraph(tensors, {
    name: options.name ?? modelName(file),
    architecture: options.architecture ?? metadata.get(ARCHITECTURE),
    ordered,
    modules,
    metadata: Object.fromEntries(kept),
    file,
    onRefusal: options.onRefusal,
  });
}
