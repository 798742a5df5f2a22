import type { Graph } from '../../graph/graph.js';
import { type Neighbours, neighboursOf } from '../../io/neighbours.js';
import type { RefusalOptions } from '../refusals.js';
import { readExternal } from './external.js';
import { parseModel } from './model.js';
import type { OnnxOptions } from './options.js';
import { toGraph } from './to-graph.js';

/** Tags of ModelProto's fields that may follow ir_version. */
const SECOND_TAGS: ReadonlySet<number> = new Set([0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72]);

/** Whether bytes begin as every ONNX writer begins: the version of the format, then another field of the model. */
export function looksLikeOnnx(bytes: Uint8Array): boolean {
  return bytes[0] === 0x08 && bytes[1] > 0 && bytes[1] < 0x40 && SECOND_TAGS.has(bytes[2]);
}

/**
 * Reads an ONNX model into a graph that `checkGraph` has passed. Weights are views of `bytes`, so leave it unchanged.
 *
 * @param file path or URL to name in errors.
 * @param neighbours gives the files that hold weights beside this one.
 * @throws RivuletError `INVALID_FILE`, `INVALID_GRAPH`, `UNSUPPORTED_OPERATOR`, `UNSUPPORTED_ATTRIBUTE`,
 *   `LIMIT_EXCEEDED`, `INVALID_OPTION`. Operators that do not run are left to the planner, which names them.
 */
export async function readOnnx(
  bytes: Uint8Array,
  file?: string,
  options: OnnxOptions & RefusalOptions = {},
  neighbours: Neighbours = neighboursOf(undefined),
): Promise<Graph> {
  const model = parseModel(bytes, file);
  await readExternal(model, neighbours, file);
  return toGraph(model, file, options);
}
