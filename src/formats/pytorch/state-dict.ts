import { RivuletError } from '../../errors.js';
import { GRAPH_LIMITS } from '../../graph/check.js';
import type { Tensor } from '../../graph/graph.js';
import { looksLikeSafetensors, parseSafetensors } from '../safetensors/container.js';
import { readTensor } from '../safetensors/native.js';
import { readArchive } from './archive.js';
import { describeValue, isDict, type PyDict, SAVE_STATE_DICT, type Value } from './pickle.js';
import { isView } from './rebuild.js';
import { Materialiser } from './views.js';

/** What a file of weights says, and no more: tensors by name. What they mean is for `inferGraph` to find. */
export interface StateDict {
  /** By name; where `ordered`, as the module's layers were registered. */
  tensors: Map<string, Tensor>;
  /** Whether the order of the tensors is the module's. Safetensors files are sorted by name. */
  ordered: boolean;
  /** Names of all modules, those without weights too, where the file has them. */
  modules?: readonly string[];
  /** Free text that came with a safetensors file. */
  metadata: Map<string, string>;
}

/** What says where in a checkpoint the state dict is. */
const OPTION = 'architecture.stateDict';

/**
 * The tensors of a state dict: a `.pt` or `.pth` file (ZIP or legacy) or a plain safetensors file. Views and transposed
 * tensors come out row-major. Most are views of `bytes`, so leave it unchanged.
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `UNKNOWN_FORMAT` (a whole module, TorchScript, a checkpoint), `INVALID_FILE`, `LIMIT_EXCEEDED`.
 */
export function readStateDict(bytes: Uint8Array, file?: string): Map<string, Tensor> {
  return readStateFile(bytes, file).tensors;
}

/**
 * The same with what else the file knows.
 * @param entry the key under which a checkpoint (a dict of several things) holds the state dict.
 */
export function readStateFile(bytes: Uint8Array, file?: string, entry?: string): StateDict {
  if (looksLikeSafetensors(bytes)) {
    if (entry === undefined) return fromSafetensors(bytes, file);
    throw new RivuletError('INVALID_OPTION', OPTION, {
      file,
      expected: 'nothing: a safetensors file holds its tensors in no dict',
      found: `"${entry}"`,
    });
  }
  const dict = select(readArchive(bytes, file), entry, file);
  if (dict.items.size > GRAPH_LIMITS.tensors) {
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many tensors', {
      file,
      expected: `at most ${GRAPH_LIMITS.tensors}`,
      found: `${dict.items.size}`,
    });
  }
  const materialiser = new Materialiser(bytes.length, file);
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of dict.items) {
    if (typeof name !== 'string' || !isView(value)) throw notTensors(dict, file);
    checkName(name, file);
    tensors.set(name, materialiser.tensor(name, value));
  }
  const modules = moduleNames(dict, file);
  return { tensors, ordered: true, ...(modules && { modules }), metadata: new Map() };
}

function fromSafetensors(bytes: Uint8Array, file: string | undefined): StateDict {
  const stored = parseSafetensors(bytes, file);
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of stored.tensors) {
    checkName(name, file);
    tensors.set(name, readTensor(name, tensor, file));
  }
  return { tensors, ordered: false, metadata: stored.metadata };
}

/** The dict of tensors: what was saved, or one entry of it. */
function select(value: Value, entry: string | undefined, file: string | undefined): PyDict {
  if (!isDict(value)) {
    throw new RivuletError('UNKNOWN_FORMAT', 'The file holds something else than a state dict', {
      file,
      expected: 'a dict of tensors',
      found: describeValue(value),
      hint: SAVE_STATE_DICT,
    });
  }
  if (entry === undefined) return value;
  const chosen = value.items.get(entry);
  if (isDict(chosen)) return chosen;
  throw new RivuletError('INVALID_OPTION', OPTION, {
    file,
    expected: keysOf(value),
    found: chosen === undefined ? `"${entry}"` : `${describeValue(chosen)} under "${entry}"`,
  });
}

function notTensors(dict: PyDict, file: string | undefined): RivuletError {
  const weights = [...dict.items].find(
    ([, value]) => isDict(value) && value.items.size > 0 && [...value.items.values()].every(isView),
  );
  if (weights) {
    const key = String(weights[0]).slice(0, 60);
    return new RivuletError('UNKNOWN_FORMAT', 'A checkpoint, of which the state dict is a part', {
      file,
      found: keysOf(dict),
      hint: `Save it alone, torch.save(checkpoint["${key}"], "model.pt"), or say which it is`,
      options: { architecture: { stateDict: key } },
    });
  }
  const [name, value] = [...dict.items].find(([key, item]) => typeof key !== 'string' || !isView(item))!;
  return new RivuletError('UNKNOWN_FORMAT', 'A dict that holds something else than tensors', {
    file,
    expected: 'tensors by name',
    found: `${describeValue(value)} under ${describeValue(name)}`,
    hint: SAVE_STATE_DICT,
  });
}

const keysOf = (dict: PyDict): string =>
  Array.from(dict.items.keys(), describeValue).slice(0, 12).join(', ') + (dict.items.size > 12 ? ', ...' : '');

/** torch keeps the version of every module, by name, with the state dict; the versions say nothing about weights. */
function moduleNames(dict: PyDict, file: string | undefined): string[] | undefined {
  const versions = dict.attributes?.items.get('_metadata');
  if (!isDict(versions)) return undefined;
  const names = [...versions.items.keys()].filter((name) => typeof name === 'string');
  for (const name of names) checkName(name, file);
  return names;
}

function checkName(name: string, file: string | undefined): void {
  if (name.length <= GRAPH_LIMITS.nameLength) return;
  throw new RivuletError('LIMIT_EXCEEDED', 'Too many characters in a name', {
    file,
    expected: `at most ${GRAPH_LIMITS.nameLength}`,
    found: `${name.length}`,
  });
}
