import { RivuletError } from '../../errors.js';
import type { Graph, Tensor } from '../../graph/graph.js';
import type { JsonObject } from '../json.js';
import type { OnnxOptions } from '../onnx/options.js';
import type { RefusalOptions } from '../refusals.js';
import { readGraphModel } from '../tfgraph/graph-model.js';
import type { StoredWeight } from './manifest.js';

/** Keys of `model.json` that are read, and those that say nothing of what a model computes. */
const KEYS = new Set([
  ...['format', 'modelTopology', 'weightsManifest', 'signature', 'modelInitializer', 'initializerSignature'],
  ...['generatedBy', 'convertedBy', 'userDefinedMetadata', 'trainingConfig'],
]);

/**
 * Reads TensorFlow.js's `model.json` of a graph model.
 * @param read gives the weights of its manifest.
 * @throws RivuletError as `readGraphModel` does, and what reading the weights throws.
 */
export async function readTfjsGraph(
  json: JsonObject,
  file: string | undefined,
  options: OnnxOptions & RefusalOptions,
  read: () => Promise<readonly StoredWeight[]>,
): Promise<Graph> {
  const stranger = [...json.keys()].find((key) => !KEYS.has(key));
  if (stranger !== undefined) {
    throw new RivuletError('UNSUPPORTED_ATTRIBUTE', 'model.json has a key that nobody reads', {
      file,
      found: JSON.stringify(stranger.slice(0, 100)),
    });
  }
  const topology = json.get('modelTopology');
  if (!(topology instanceof Map)) {
    throw new RivuletError('INVALID_FILE', 'model.json has no "modelTopology"', { file, expected: 'an object' });
  }
  const initializer = json.get('modelInitializer');
  if (initializer instanceof Map && initializer.size > 0) {
    throw new RivuletError(
      'UNSUPPORTED_OPERATOR',
      'A graph that is run once before the model, such as one that fills tables',
      {
        file,
        expected: 'a model without "modelInitializer"',
      },
    );
  }
  const weights = new Map<string, Tensor | undefined>();
  for (const { path, tensor } of await read()) {
    if (weights.has(path)) {
      throw new RivuletError('INVALID_FILE', 'Two weights have this name', { file, tensor: path });
    }
    weights.set(path, tensor);
  }
  return readGraphModel(topology, signatureOf(json), weights, file, options);
}

/** Converters before version 3 wrote the signature among the metadata. */
function signatureOf(json: JsonObject) {
  const metadata = json.get('userDefinedMetadata');
  return json.get('signature') ?? (metadata instanceof Map ? metadata.get('signature') : undefined);
}
