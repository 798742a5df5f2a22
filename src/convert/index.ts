/** The public surface of `rivulet/convert`: models of any format as graphs, and graphs as native files. */

import { type ReadOptions as ReaderOptions, readModel } from '../formats/registry.js';
import type { Graph } from '../graph/graph.js';
import { type ReadOptions, readSource, type Source } from '../io/source.js';
import { checkOptions } from '../options.js';

const OPTIONS = [
  'architecture',
  'constants',
  'files',
  'name',
  'onProgress',
  'onRefusal',
  'shapes',
  'signal',
  'states',
  'unpadded',
] as const satisfies readonly (keyof ReadOptions | keyof ReaderOptions | 'name')[];

/** A model as its reader understood it. */
export interface ReadGraph {
  graph: Graph;
  /** The name of the format. */
  format: string;
  /** Bytes of the file, without others beside it. */
  size: number;
}

/**
 * Reads a model of any known format into its graph, without planning or running it.
 * @throws RivuletError as `loadModel` does, but for what only planning finds: operators that do not run, shapes.
 */
export async function readGraph(
  source: Source,
  options: ReadOptions & ReaderOptions & { name?: string } = {},
): Promise<ReadGraph> {
  checkOptions(options, OPTIONS, 'readGraph');
  const { bytes, name = options.name, location } = await readSource(source, options);
  return { ...(await readModel(bytes, name, options, location)), size: bytes.length };
}

export { writeNative } from '../formats/safetensors/write-native.js';
export type {
  AttributeValue,
  DataType,
  Dim,
  Graph,
  GraphNode,
  StatePair,
  Tensor,
  ValueInfo,
} from '../graph/graph.js';
export { type CalibrateOptions, type Calibration, calibrate, type LayerLoss } from './calibrate.js';
export { type Comparison, type VerifyOptions, verifyModel } from './verify.js';
export { WEIGHT_TYPES, type WeightType, withWeights } from './weights.js';
