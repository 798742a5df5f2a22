import { RivuletError } from '../errors.js';
import { writeNative } from '../formats/safetensors/write-native.js';
import type { Graph } from '../graph/graph.js';
import { checkOptions, shown } from '../options.js';
import { type HeldType, keptNodes, narrowableNodes } from '../plan/quantize.js';
import type { LoadOptions, loadModel } from '../runtime/load.js';
import type { Arrays } from './arrays.js';
import { isStepwise, runWhole } from './evaluate.js';
import { completed } from './verify.js';

/** What holding weights in fewer bits costs, on given inputs. */
export interface Calibration extends LayerLoss {
  /** Each layer alone in fewer bits, the worst first; `name` is what `keep` takes. */
  layers: LayerLoss[];
}

export interface LayerLoss {
  name: string;
  /** The root of the mean square by which the outputs move, over that of the outputs. */
  loss: number;
}

export interface CalibrateOptions extends Pick<LoadOptions, 'kernels'> {
  /** `int8` unless given. */
  weights?: HeldType;
  /** Layers that stay in float32. */
  keep?: readonly string[];
}

/**
 * Runs a graph in float32, in fewer bits, and with one layer at a time in fewer bits, and tells how far the outputs move.
 * @param load `loadModel`.
 * @param inputs by name, in the shapes that the graph declares, as `model.run` takes them; for a graph with states of its
 *   own, a row for each step.
 * @throws RivuletError `INVALID_INPUT` for what is no graph, or no inputs; as `load` and `model.run` do
 */
export async function calibrate(
  load: typeof loadModel,
  graph: Graph,
  inputs: Readonly<Arrays>,
  options: CalibrateOptions = {},
): Promise<Calibration> {
  checkOptions(options, ['kernels', 'weights', 'keep'], 'calibrate');
  const { weights = 'int8', keep = [], kernels = 'auto' } = options;
  const bytes = writeNative(graph);
  if (typeof inputs !== 'object' || inputs === null) {
    throw new RivuletError('INVALID_INPUT', 'calibrate: no inputs to run', {
      expected: 'arrays by name',
      found: shown(inputs),
    });
  }
  const run = async (held: LoadOptions) => {
    const model = await load(bytes, { kernels, ...held });
    const stepwise = isStepwise(model, graph);
    const found = runWhole(model, completed(model, inputs, stepwise, 1), stepwise);
    model.dispose();
    return found;
  };
  const exact = await run({ weights: 'float32' });
  const lossOf = async (kept: readonly string[]) => moved(await run({ weights, keep: kept }), exact);
  const kept = keptNodes(graph, keep);
  const nodes = narrowableNodes(graph).filter((name) => !kept.includes(name));
  const layers: LayerLoss[] = [];
  for (const name of nodes) {
    const others = [...keep, ...nodes.filter((other) => other !== name)];
    layers.push({ name, loss: await lossOf(others) });
  }
  layers.sort((a, b) => b.loss - a.loss);
  return { name: graph.name, loss: await lossOf(keep), layers };
}

function moved(found: Arrays, exact: Arrays): number {
  let [difference, size] = [0, 0];
  for (const [name, { data }] of Object.entries(exact)) {
    for (let i = 0; i < data.length; i++) {
      difference += (found[name].data[i] - data[i]) ** 2;
      size += data[i] ** 2;
    }
  }
  return difference === 0 ? 0 : Math.sqrt(difference / size);
}
