import { RivuletError } from '../../errors.js';
import type { Tensor } from '../../graph/graph.js';
import { decodeUtf8 } from '../../io/utf8.js';
import { type Hdf5Group, readHdf5 } from '../hdf5/hdf5.js';
import { inflateZip } from '../zip.js';
import { parseModelJson, readTopology, type Topology } from './architecture.js';
import { type WeightSource, type WeightTree, weightsByTree } from './weights.js';

/** The archive that Keras 3 writes: the config and who wrote it as JSON, the weights as HDF5. */

const CONFIG = 'config.json';
const METADATA = 'metadata.json';
const WEIGHTS = 'model.weights.h5';

export async function readArchive(
  bytes: Uint8Array,
  given: Topology | undefined,
  file: string | undefined,
): Promise<{ topology: Topology; weights: WeightSource }> {
  const members = await inflateZip(bytes, [CONFIG, METADATA, WEIGHTS], file);
  const member = (name: string): Uint8Array => {
    const data = members.get(name);
    if (data) return data;
    throw new RivuletError('UNKNOWN_FORMAT', 'A ZIP archive that Keras did not write', {
      file,
      expected: `members ${CONFIG}, ${METADATA} and ${WEIGHTS}`,
      found: [...members.keys()].join(', ') || 'none of them',
    });
  };
  const json = (name: string) => {
    const text = decodeUtf8(member(name));
    if (text === undefined) throw new RivuletError('INVALID_FILE', `${name} is not UTF-8`, { file });
    return parseModelJson(text, name, file);
  };
  const { kerasVersion } = readTopology(json(METADATA), METADATA, file);
  if (kerasVersion === undefined) {
    throw new RivuletError('INVALID_FILE', `${METADATA} does not say which Keras wrote the file`, {
      file,
      expected: '"keras_version"',
    });
  }
  const topology = given ?? { ...readTopology(json(CONFIG), CONFIG, file), kerasVersion };
  return { topology, weights: await readTreeWeights(readHdf5(member(WEIGHTS), file), file) };
}

/** What the layers of a functional model are filed under in archives of TensorFlow 2.12 to 2.15. */
const OLD_LAYERS = '_layer_checkpoint_dependencies';

/** Weights as Keras 3 files them: a group for each object within an object. Optimizers and metrics are left alone. */
export async function readTreeWeights(root: Hdf5Group, file: string | undefined): Promise<WeightSource> {
  const layers = root.groups.get('layers') ?? root.groups.get(OLD_LAYERS);
  const groups = new Map(layers ? [['layers', await treeOf(layers, 'layers')]] : []);
  return weightsByTree({ path: '', variables: new Map(), name: undefined, groups }, file);
}

async function treeOf(group: Hdf5Group, path: string): Promise<WeightTree> {
  const variables = new Map<string, Tensor>();
  const groups = new Map<string, WeightTree>();
  const vars = group.groups.get('vars');
  for (const [number, dataset] of vars?.datasets ?? []) variables.set(number, await dataset.read());
  for (const [name, inner] of group.groups) {
    // The state of random numbers is for training.
    if (name === 'vars' || name === 'seed_generator') continue;
    groups.set(name === OLD_LAYERS ? 'layers' : name, await treeOf(inner, `${path}/${name}`));
  }
  return { path, variables, name: vars?.attributes.get('name')?.text(), groups };
}
