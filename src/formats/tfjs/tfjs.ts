import { RivuletError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import type { Neighbours } from '../../io/neighbours.js';
import type { JsonObject } from '../json.js';
import { readTopology } from '../keras/architecture.js';
import { translate } from '../keras/translate.js';
import { type NamedWeight, weightsByName } from '../keras/weights.js';
import type { OnnxOptions } from '../onnx/options.js';
import type { RefusalOptions } from '../refusals.js';
import { readManifest } from './manifest.js';

export interface TfjsOptions extends OnnxOptions, RefusalOptions {
  /** The sequences hold no padding, so that masks may be left out. */
  unpadded?: boolean;
}

/** Keys that say nothing of the model: who wrote it, how it was trained, what it is for. */
const IDLE = new Set(['format', 'generatedBy', 'convertedBy', 'trainingConfig', 'userDefinedMetadata']);

/**
 * Reads TensorFlow.js's `model.json` of a layers model, and the shards of weights that it names.
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError as `readKeras` does, and what reading the shards throws.
 */
export async function readTfjs(
  json: JsonObject,
  file: string | undefined,
  options: TfjsOptions,
  neighbours: Neighbours,
): Promise<Graph> {
  const topology = json.get('modelTopology');
  const read = () => readManifest(json.get('weightsManifest'), file, neighbours);
  if (json.get('format') === 'graph-model' || (topology instanceof Map && topology.has('node'))) {
    const { readTfjsGraph } = await import('./graph.js');
    return readTfjsGraph(json, file, options, read);
  }
  for (const key of json.keys()) {
    if (IDLE.has(key) || key === 'modelTopology' || key === 'weightsManifest') continue;
    throw new RivuletError('UNSUPPORTED_ATTRIBUTE', 'model.json has a key that nobody reads', {
      file,
      found: JSON.stringify(key.slice(0, 100)),
    });
  }
  if (!(topology instanceof Map)) {
    throw new RivuletError('INVALID_FILE', 'model.json has no "modelTopology"', { file, expected: 'an object' });
  }
  const weights = (await read()).map(({ path, tensor }): NamedWeight => {
    if (tensor) return { path, tensor };
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'A weight of texts', { file, tensor: path, expected: 'numbers' });
  });
  // A converter keeps Keras's words: the model stands in `model_config`, beside the version.
  const inner = topology.get('model_config');
  const { model } = readTopology(inner instanceof Map ? inner : topology, 'modelTopology', file);
  const { kerasVersion } = readTopology(topology, 'modelTopology', file);
  return translate({
    topology: model,
    weights: weightsByName(weights, file),
    kerasVersion,
    name: 'model',
    file,
    unpadded: options.unpadded ?? false,
    onRefusal: options.onRefusal,
  });
}
