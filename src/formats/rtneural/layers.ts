import { RivuletError } from '../../errors.js';
import type { Tensor } from '../../graph/graph.js';
import { toFloat32 } from '../../graph/tensor.js';
import type { CellType, Step } from '../chain/layers.js';
import { floatTensor, transposed } from '../constants.js';
import type { Fields } from '../fields.js';
import type { Json } from '../json.js';
import { nestedTensor } from '../nested.js';

/** Layers of RTNeural's JSON, each with its weights as Keras lays them out. */

/** Activations by the names of the file, and ONNX's. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  tanh: 'Tanh',
  relu: 'Relu',
  sigmoid: 'Sigmoid',
  softmax: 'Softmax',
  elu: 'Elu',
};

/** The steps of one layer that gets `inputs` numbers, and how many it gives. */
export function readLayer(
  layer: Fields,
  inputs: number,
  before: Json,
  file: string | undefined,
): { steps: Step[]; width: number; length: Json } {
  const type = layer.text('type');
  const read = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  if (!read) {
    throw new RivuletError('UNSUPPORTED_OPERATOR', `${layer.path}: a layer that is not read`, {
      file,
      expected: Object.keys(READERS).join(', '),
      found: type.slice(0, 100),
    });
  }
  const width = widthOf(layer, 'shape');
  const weights = new Weights(layer, file);
  const length = { before, after: lengthOf(layer, 'shape') };
  const steps = read({ layer, weights, inputs, width, length, name: nameOf(layer, type), file });
  weights.end();
  layer.end();
  return { steps, width, length: length.after };
}

/** The last of a shape's numbers; those before it count steps and sequences. */
export function widthOf(fields: Fields, key: string): number {
  const width = fields.list(key).at(-1) ?? null;
  if (typeof width === 'number' && Number.isSafeInteger(width) && width > 0 && width <= MAX_WIDTH) return width;
  throw fields.wrong(key, `a shape that ends in a number from 1 to ${MAX_WIDTH}`, width);
}

/** A shape's number of steps, its last number but one; null where it says none. */
export const lengthOf = (fields: Fields, key: string): Json => fields.list(key).at(-2) ?? null;

/** Numbers that a layer may give. */
const MAX_WIDTH = 65_536;
/** Steps that a kernel may have, or lie apart. */
const MAX_REACH = 65_536;

interface Context {
  layer: Fields;
  weights: Weights;
  inputs: number;
  width: number;
  /** Steps, where a shape says how many; null where it does not. */
  length: { before: Json; after: Json };
  name: string;
  file: string | undefined;
}

const READERS: Readonly<Record<string, (context: Context) => Step[]>> = {
  dense,
  'time-distributed-dense': dense,
  lstm: cell,
  gru: cell,
  conv1d,
  activation: (context) => {
    same(context);
    return activation(context);
  },
  batchnorm,
  prelu,
};

/** Its path, without the brackets: `layers0.dense`. */
const nameOf = ({ path }: Fields, type: string): string => `${path.replace(/^model\.|[[\]]/g, '')}.${type}`;

function dense(context: Context): Step[] {
  const { weights, inputs, width, name } = context;
  const weight = transposed(weights.take('kernel', [inputs, width]));
  const bias = weights.left > 0 ? weights.take('bias', [width]) : undefined;
  return [
    { op: 'Linear', layer: { kind: 'matrix', prefix: name, weight, ...(bias && { bias }) } },
    ...activation(context),
  ];
}

/** Gates lie as PyTorch has them, i f g o, or as ONNX does, z r h, which PyTorch calls z r n and stacks r z n. */
function cell({ layer, weights, inputs, width, name, file }: Context): Step[] {
  const type: CellType = layer.text('type') === 'lstm' ? 'LSTM' : 'GRU';
  const given = layer.has('activation') ? layer.text('activation') : '';
  if (given !== '' && given !== 'tanh') throw unknownActivation(layer, given, file);
  const gates = type === 'LSTM' ? 4 : 3;
  const rows = gates * width;
  const turned = (tensor: Tensor) => (type === 'LSTM' ? tensor : reordered(tensor));
  const weightIh = turned(transposed(weights.take('kernel', [inputs, rows])));
  const weightHh = turned(transposed(weights.take('recurrent_kernel', [width, rows])));
  const [biasIh, biasHh] = type === 'LSTM' ? [weights.take('bias', [rows]), zeros(rows)] : halves(weights, rows);
  return [
    {
      op: 'cell',
      output: 'sequence',
      nonlinearity: 'tanh',
      layer: {
        kind: 'recurrent',
        prefix: name,
        type,
        inputs,
        hidden: width,
        projected: width,
        directions: 1,
        layers: [[{ weightIh, weightHh, biasIh: turned(biasIh), biasHh: turned(biasHh) }]],
      },
    },
  ];
}

const zeros = (count: number): Tensor => floatTensor('zeros', new Float32Array(count), [count]);

/** A GRU's biases, [2, 3H]: before the reset, which is applied to the product and its bias. */
function halves(weights: Weights, rows: number): [Tensor, Tensor] {
  const { bytes } = weights.take('bias', [2, rows]);
  const half = (at: number): Tensor => ({
    name: 'bias',
    type: 'float32',
    shape: [rows],
    bytes: bytes.subarray(at * rows * 4, (at + 1) * rows * 4),
  });
  return [half(0), half(1)];
}

/** z r h -> r z h, in blocks of rows. */
function reordered(tensor: Tensor): Tensor {
  const block = tensor.bytes.length / 3;
  const bytes = new Uint8Array(tensor.bytes.length);
  bytes.set(tensor.bytes.subarray(block, 2 * block));
  bytes.set(tensor.bytes.subarray(0, block), block);
  bytes.set(tensor.bytes.subarray(2 * block), 2 * block);
  return { ...tensor, bytes };
}

/** Causal, as RTNeural runs it: a number of steps that a shape says must be what it was. */
function conv1d(context: Context): Step[] {
  const { layer, weights, inputs, width, name, length, file } = context;
  const single = (key: string): number => {
    const list = layer.counts(key);
    if (list.length === 1 && list[0] > 0 && list[0] <= MAX_REACH) return list[0];
    throw layer.wrong(key, `[a number from 1 to ${MAX_REACH}]`, list);
  };
  const size = single('kernel_size');
  const dilation = single('dilation');
  const groups = layer.has('groups') ? layer.count('groups') : 1;
  if (groups === 0 || inputs % groups !== 0 || width % groups !== 0) {
    throw layer.wrong('groups', `a divisor of ${inputs} and ${width}`, groups);
  }
  if (length.before !== length.after) {
    throw new RivuletError(
      'UNSUPPORTED_OPERATOR',
      `${layer.path}: a convolution without padding, over a whole window`,
      {
        file,
        expected: `a shape of ${length.before} steps, as before it`,
        found: `${length.after}`,
      },
    );
  }
  const kernel = weights.take('kernel', [size, inputs / groups, width]);
  const bias = weights.left > 0 ? weights.take('bias', [width]) : undefined;
  const prefix = name;
  const weight = channelsFirst(kernel);
  return [
    {
      op: 'Conv1d',
      layer: { kind: 'convolution', prefix, weight, ...(bias && { bias }) },
      dilation,
      groups,
      padding: 'causal',
    },
    ...activation(context),
  ];
}

/** [K, I, O] -> [O, I, K] */
function channelsFirst(kernel: Tensor): Tensor {
  const [size, inputs, outputs] = kernel.shape;
  const values = toFloat32(kernel);
  const turned = Float32Array.from(values, (_, at) => {
    const [o, i, k] = [Math.floor(at / (inputs * size)), Math.floor(at / size) % inputs, at % size];
    return values[(k * inputs + i) * outputs + o];
  });
  return floatTensor(kernel.name, turned, [outputs, inputs, size]);
}

/** Gamma and beta, where they were trained, then mean and variance: constants, once training is over. */
function batchnorm(context: Context): Step[] {
  const { layer, weights, width, name } = context;
  same(context);
  const epsilon = layer.number('epsilon');
  const trained = weights.left > 2;
  const take = (role: string) => toFloat32(weights.take(role, [width]));
  const [gamma, beta] = trained ? [take('gamma'), take('beta')] : [undefined, undefined];
  const [mean, variance] = [take('mean'), take('variance')];
  const scales = Array.from(variance, (value, i) => (gamma?.[i] ?? 1) / Math.sqrt(value + epsilon));
  const shifts = Array.from(mean, (value, i) => (beta?.[i] ?? 0) - value * scales[i]);
  if (![...scales, ...shifts].every((value) => Number.isFinite(Math.fround(value)))) {
    throw layer.wrong('weights', 'a variance and an epsilon above 0 together', epsilon);
  }
  const scale = floatTensor('scale', scales, [width]);
  const shift = floatTensor('shift', shifts, [width]);
  return [{ op: 'affine', name, scale, shift }, ...activation(context)];
}

function prelu(context: Context): Step[] {
  same(context);
  const { weights, width, name } = context;
  const { shape, bytes } = weights.takeAny('alpha', [
    [1, 1],
    [1, width],
  ]);
  return [{ op: 'PReLU', name, slope: { name, type: 'float32', shape: [shape[1]], bytes } }, ...activation(context)];
}

function activation({ layer, file }: Context): Step[] {
  const name = layer.has('activation') ? layer.text('activation') : '';
  if (name === '' || name === 'linear') return [];
  if (!Object.hasOwn(ACTIVATIONS, name)) throw unknownActivation(layer, name, file);
  return [{ op: 'activation', name: ACTIVATIONS[name] }];
}

function unknownActivation({ path }: Fields, found: string, file: string | undefined): RivuletError {
  return new RivuletError('UNSUPPORTED_OPERATOR', `${path}: an activation that is not read here`, {
    file,
    found: found.slice(0, 100),
  });
}

/** Of a layer that changes no sizes. */
function same({ layer, inputs, width }: Context): void {
  if (inputs !== width) throw layer.wrong('shape', `${inputs} numbers, as before it`, width);
}

/** A layer's list of weights, taken one after the other, each of the shape that the sizes ask for. */
class Weights {
  private readonly list;
  private at = 0;

  constructor(
    private readonly layer: Fields,
    private readonly file: string | undefined,
  ) {
    this.list = layer.list('weights');
  }

  get left(): number {
    return this.list.length - this.at;
  }

  take(role: string, shape: readonly number[]): Tensor {
    return this.takeAny(role, [shape]);
  }

  takeAny(role: string, shapes: readonly (readonly number[])[]): Tensor {
    const path = `${this.layer.path}.weights[${this.at}]`;
    if (this.left === 0) throw this.layer.wrong('weights', `a ${role} too`, `${this.at} arrays`);
    const tensor = nestedTensor(role, this.list[this.at++], path, this.file);
    if (shapes.some((shape) => shape.join() === tensor.shape.join())) return tensor;
    throw new RivuletError('INVALID_FILE', `${path}: the ${role} is of another size than the layer says`, {
      file: this.file,
      expected: shapes.map((shape) => `[${shape.join(', ')}]`).join(' or '),
      found: `[${tensor.shape.join(', ')}]`,
    });
  }

  end(): void {
    if (this.left > 0) throw this.layer.wrong('weights', `${this.at} arrays`, `${this.list.length}`);
  }
}
