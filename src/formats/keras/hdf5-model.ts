import { RivuletError, UNSAID } from '../../errors.js';
import { type Dataset, type Hdf5Group, readHdf5 } from '../hdf5/hdf5.js';
import { parseModelJson, readTopology, type Topology } from './architecture.js';
import { readTreeWeights } from './archive.js';
import { type NamedWeight, type WeightSource, weightsByLayer } from './weights.js';

/** HDF5 files of Keras: whole models (the config as an attribute), and weights alone, of Keras 2 and of Keras 3. */

export async function readHdf5Model(
  bytes: Uint8Array,
  given: Topology | undefined,
  file: string | undefined,
): Promise<{ topology: Topology; weights: WeightSource }> {
  const root = readHdf5(bytes, file);
  const group = root.groups.get('model_weights') ?? root;
  const version = text(root, 'keras_version') ?? text(group, 'keras_version');
  const config = text(root, 'model_config');
  const own =
    config === undefined ? undefined : readTopology(parseModelJson(config, 'model_config', file), 'model_config', file);
  const topology = given ?? own;
  const byLayer = group.attributes.has('layer_names') || group.attributes.has('layer_names0');
  if (!topology) {
    throw new RivuletError(
      'UNKNOWN_FORMAT',
      byLayer || root.groups.has('layers')
        ? 'The weights alone do not say how to run'
        : 'An HDF5 file that Keras did not write',
      {
        file,
        expected: 'a whole model, as model.save(...) writes it',
        hint: 'Give the architecture, which model.to_json() makes',
        options: { architecture: UNSAID },
      },
    );
  }
  // The version in the weights is that of the trainer; to_json() of Keras 3 names none.
  const kerasVersion = version ?? topology.kerasVersion ?? (byLayer ? undefined : '3.0');
  const weights = byLayer
    ? weightsByLayer(await readLayerWeights(group, file), topology.ignore, file)
    : await readTreeWeights(root, file);
  return { topology: { ...topology, kerasVersion }, weights };
}

/** The weights of each layer, in the order and by the names of its `weight_names`. */
async function readLayerWeights(group: Hdf5Group, file: string | undefined): Promise<Map<string, NamedWeight[]>> {
  const layers = new Map<string, NamedWeight[]>();
  for (const name of texts(group, 'layer_names', file)) {
    const layer = groupAt(group, name.split('/'));
    if (!layer) throw missing('group', name, file);
    const weights: NamedWeight[] = [];
    for (const path of texts(layer, 'weight_names', file)) {
      const dataset = datasetAt(layer, path);
      if (!dataset) throw missing('dataset', `${name}/${path}`, file);
      weights.push({ path, tensor: await dataset.read() });
    }
    if (layers.has(name))
      throw new RivuletError('INVALID_FILE', 'A layer is listed twice', { file, found: `"${name}"` });
    layers.set(name, weights);
  }
  return layers;
}

const text = (group: Hdf5Group, name: string): string | undefined => group.attributes.get(name)?.text();

/** An attribute of texts, which Keras cuts into `name0`, `name1`, ... where it would be too long for a header. */
function texts(group: Hdf5Group, name: string, file: string | undefined): string[] {
  const parts: string[] = [];
  const whole = group.attributes.get(name);
  const attributes = whole ? [whole] : [];
  for (let i = 0; !whole && group.attributes.has(`${name}${i}`); i++)
    attributes.push(group.attributes.get(`${name}${i}`)!);
  for (const attribute of attributes) {
    const found = attribute.texts();
    if (!found) throw new RivuletError('INVALID_FILE', `The attribute "${name}" holds no texts`, { file });
    parts.push(...found);
  }
  if (attributes.length > 0) return parts;
  throw new RivuletError('INVALID_FILE', `The attribute "${name}" is missing`, { file });
}

function groupAt(group: Hdf5Group, path: readonly string[]): Hdf5Group | undefined {
  let at: Hdf5Group | undefined = group;
  for (const name of path) at = at?.groups.get(name);
  return at;
}

function datasetAt(group: Hdf5Group, path: string): Dataset | undefined {
  const parts = path.split('/');
  return groupAt(group, parts.slice(0, -1))?.datasets.get(parts[parts.length - 1]);
}

const missing = (what: string, path: string, file: string | undefined): RivuletError =>
  new RivuletError('INVALID_FILE', `A ${what} is missing`, { file, expected: `"${path.slice(0, 200)}"` });
