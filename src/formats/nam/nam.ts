import { RivuletError } from '../../errors.js';
import type { Graph, Tensor } from '../../graph/graph.js';
import { toFloat32 } from '../../graph/tensor.js';
import { buildGraph } from '../chain/build.js';
import type { CellWeights, Step } from '../chain/layers.js';
import { floatTensor } from '../constants.js';
import { Fields } from '../fields.js';
import type { JsonObject } from '../json.js';
import { modelName } from '../names.js';
import { nestedTensor, textOf } from '../nested.js';

/** Numbers of a layer, and layers: far more than an audio thread could run. */
const MAX_WIDTH = 4_096;
const MAX_LAYERS = 64;

/**
 * Reads a `.nam` file of Neural Amp Modeler whose network is an LSTM, with the state that it begins in:
 * x [T, N, I] -> y [T, N, O].
 *
 * All weights are one list. For each layer [4H, I + H], the gates as PyTorch has them, the sum of both biases [4H], and
 * the states h and c [H]; then the head's weight [O, H] and bias [O].
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `UNSUPPORTED_OPERATOR` for another architecture, `INVALID_FILE` where the list has another length
 *   than the configuration asks for or a key is unknown, `LIMIT_EXCEEDED`.
 */
export function readNam(json: JsonObject, file?: string): Graph {
  const model = new Fields(json, 'model', file);
  const architecture = model.text('architecture');
  if (architecture !== 'LSTM') {
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'An architecture of Neural Amp Modeler that is not read', {
      file,
      expected: 'LSTM',
      found: architecture.slice(0, 100),
    });
  }
  const metadata: Record<string, string> = {};
  for (const [key, name] of [
    ['version', 'nam.version'],
    ['sample_rate', 'samplerate'],
    ['metadata', 'nam.metadata'],
  ]) {
    if (model.has(key)) metadata[name] = textOf(model.get(key, 'a text'));
  }
  const config = model.fields('config');
  const size = (key: string, most: number): number => {
    const value = config.count(key);
    if (value > 0 && value <= most) return value;
    throw config.wrong(key, `1 to ${most}`, value);
  };
  const depth = size('num_layers', MAX_LAYERS);
  const hidden = size('hidden_size', MAX_WIDTH);
  const inputs = size('input_size', MAX_WIDTH);
  const outputs = config.has('out_channels') ? size('out_channels', MAX_WIDTH) : 1;
  if (config.has('in_channels') && config.count('in_channels') !== inputs) {
    throw config.wrong('in_channels', `${inputs}, the input_size`, config.count('in_channels'));
  }
  config.end();

  const list = new WeightList(model, file);
  model.end();
  const layers = Array.from({ length: depth }, (_, k) => [cellOf(list, k === 0 ? inputs : hidden, hidden)]);
  const weight = list.take([outputs, hidden]);
  const bias = list.take([outputs]);
  list.end();
  const recurrent = { kind: 'recurrent', prefix: 'lstm', type: 'LSTM', inputs, hidden, directions: 1, layers } as const;
  const steps: Step[] = [
    { op: 'cell', layer: { ...recurrent, projected: hidden }, output: 'sequence', nonlinearity: 'tanh' },
    { op: 'Linear', layer: { kind: 'matrix', prefix: 'head', weight, bias } },
  ];
  return buildGraph(steps, modelName(file), metadata, file);
}

/** One layer. The weights of a row are those of the input, then those of the state. */
function cellOf(list: WeightList, inputs: number, hidden: number): CellWeights {
  const rows = 4 * hidden;
  const both = list.take([rows, inputs + hidden]);
  const columns = (from: number, to: number): Tensor => {
    const values = toFloat32(both);
    const width = to - from;
    const part = Float32Array.from({ length: rows * width }, (_, i) => {
      return values[Math.floor(i / width) * (inputs + hidden) + from + (i % width)];
    });
    return floatTensor('weight', part, [rows, width]);
  };
  return {
    weightIh: columns(0, inputs),
    weightHh: columns(inputs, inputs + hidden),
    biasIh: list.take([rows]),
    biasHh: floatTensor('zeros', new Float32Array(rows), [rows]),
    initialH: list.take([hidden]),
    initialC: list.take([hidden]),
  };
}

/** The list of all weights, taken from its front. */
class WeightList {
  private readonly values: Float32Array;
  private at = 0;

  constructor(
    private readonly model: Fields,
    file: string | undefined,
  ) {
    const json = model.list('weights');
    const tensor = json.length > 0 ? nestedTensor('weights', json, `${model.path}.weights`, file) : undefined;
    if (tensor?.shape.length !== 1) throw model.wrong('weights', 'a list of numbers', json);
    this.values = toFloat32(tensor);
  }

  take(shape: number[]): Tensor {
    const from = this.at;
    this.at += shape.reduce((product, dim) => product * dim, 1);
    if (this.at > this.values.length) throw this.wrongLength('more');
    return floatTensor('weights', this.values.subarray(from, this.at), shape);
  }

  end(): void {
    if (this.at < this.values.length) throw this.wrongLength(`${this.at}`);
  }

  private wrongLength(expected: string): RivuletError {
    return this.model.wrong('weights', `${expected} numbers, by the configuration`, `${this.values.length}`);
  }
}
