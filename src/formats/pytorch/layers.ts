import { type ErrorDetails, RivuletError } from '../../errors.js';
import type { Tensor } from '../../graph/graph.js';
import {
  type CellType,
  type CellWeights,
  GATES,
  type Layer,
  type Recurrent,
  type Statistics,
} from '../chain/layers.js';
import { type OnRefusal, Refusals } from '../refusals.js';
import { foldWeightNorm } from './weight-norm.js';

/** Finds the layers of a state dict by the names and shapes that PyTorch's modules give their weights. */

export const LAYER_LIMITS = {
  /** Modules with weights. */
  modules: 1_024,
  /** Layers of one recurrent module. */
  depth: 256,
} as const;

const CELL = /^(?:(.*)\.)?(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(0|[1-9]\d{0,2})(_reverse)?$/s;
const SINGLE = /^(?:(.*)\.)?(weight_ih|weight_hh|bias_ih|bias_hh)$/s;
const PLAIN = /^(?:(.*)\.)?(weight|bias|running_mean|running_var|num_batches_tracked)$/s;
const FLOATING = ['float32', 'float16', 'bfloat16', 'float64'];

/** Names that say what a module is, where it is none that is read. */
const STRANGERS: readonly [pattern: RegExp, what: string, hint: string][] = [
  [
    /(^|\.)(weight_[gv]|weight_orig|parametrizations\..*)$|_l\d+(_reverse)?_(raw|orig)$/s,
    'a weight under a parametrisation other than weight_norm',
    'Remove it before saving: torch.nn.utils.parametrize.remove_parametrizations',
  ],
  [/(^|\.)(in_proj_weight|in_proj_bias|q_proj_weight)$/, 'attention', 'Export the model to ONNX'],
];

/**
 * The modules that own the tensors, in the order in which they come. `ignored` names modules that are left out; `onRefusal` is
 * told of every tensor that is refused.
 * @throws RivuletError `UNSUPPORTED_OPERATOR` for a tensor that no known module owns, `INVALID_FILE` for weights that
 *   are incomplete or do not fit each other, `LIMIT_EXCEEDED`.
 */
export function findLayers(
  stored: ReadonlyMap<string, Tensor>,
  ignored: readonly string[] = [],
  file?: string,
  onRefusal?: OnRefusal,
): Layer[] {
  const refusals = new Refusals(onRefusal);
  const tensors = foldWeightNorm(stored, file);
  const left = ignored.filter((prefix) => ![...tensors.keys()].some((name) => isWithin(name, prefix)));
  if (left.length > 0)
    throw fail('INVALID_FILE', `The architecture ignores what is not there`, { found: left[0] }, file);
  const groups = new Map<string, Group>();
  for (const [name, tensor] of tensors) {
    if (ignored.some((prefix) => isWithin(name, prefix))) continue;
    const stranger = STRANGERS.find(([pattern]) => pattern.test(name));
    if (stranger) {
      const [, what, hint] = stranger;
      refusals.tell(fail('UNSUPPORTED_OPERATOR', `This is ${what}, which is not read`, { tensor: name, hint }, file));
      continue;
    }
    const single = SINGLE.exec(name);
    const cell = CELL.exec(name) ?? single;
    const plain = cell ? null : PLAIN.exec(name);
    const [, prefix = '', role] = cell ?? plain ?? [];
    if (role === undefined) {
      refusals.tell(unknownTensor(tensor, file));
      continue;
    }
    const kind = single ? 'single' : cell ? 'recurrent' : 'plain';
    const key = `${kind} ${prefix}`;
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { prefix, kind, tensors: new Map() }));
    group.tensors.set(cell ? `${role} ${Number(cell[3] ?? 0)} ${cell[4] ? 1 : 0}` : role, tensor);
    if (groups.size > LAYER_LIMITS.modules) {
      throw fail('LIMIT_EXCEEDED', 'Too many modules', { expected: `at most ${LAYER_LIMITS.modules}` }, file);
    }
  }
  const layers = [...groups.values()].flatMap((group): Layer[] => {
    try {
      return [group.kind === 'plain' ? readPlain(group, file) : readRecurrent(group, file)];
    } catch (error) {
      refusals.tell(error);
      return [];
    }
  });
  refusals.end();
  return layers;
}

/** Whether a tensor is a module's own, or of a module within it. */
export const isWithin = (name: string, prefix: string): boolean => name === prefix || name.startsWith(`${prefix}.`);

interface Group {
  prefix: string;
  kind: 'plain' | 'recurrent' | 'single';
  /** By role; in a recurrent module, or a single cell, `role layer direction`. */
  tensors: Map<string, Tensor>;
}

function readPlain({ prefix, tensors }: Group, file: string | undefined): Layer {
  const weight = tensors.get('weight');
  const bias = tensors.get('bias');
  const mean = tensors.get('running_mean');
  if (mean) return readStatistics(prefix, mean, tensors, file);
  if (!weight) throw unknownTensor(tensors.values().next().value!, file);
  checkFloating(weight, file);
  const kind = KINDS[weight.shape.length];
  if (!kind || tensors.size > 1 + Number(bias !== undefined)) throw unknownTensor(weight, file);
  if (bias && kind === 'convolution' && isTransposed(weight.shape, bias.shape)) {
    throw fail(
      'UNSUPPORTED_OPERATOR',
      'By its shapes this is a ConvTranspose1d, which makes more steps of a sequence than there were',
      {
        tensor: weight.name,
        expected: `a Conv1d, whose bias is [${weight.shape[0]}]`,
        found: `[${weight.shape.join(', ')}] with a bias [${bias.shape.join(', ')}]`,
        hint: 'Export the model to ONNX with a window of fixed length, which then is the step; or ignore the layer in an architecture',
      },
      file,
    );
  }
  if (bias) expectShape(bias, [weight.shape[0]], weight, file);
  return { kind, prefix, weight, ...(bias && { bias }) };
}

/** Whether a bias fits weights [inputs, outputs / groups, kernel], and not those of a Conv1d, whose outputs come first. */
function isTransposed([inputs, outputs]: readonly number[], bias: readonly number[]): boolean {
  const groups = bias[0] / outputs;
  return bias.length === 1 && bias[0] !== inputs && Number.isInteger(groups) && inputs % groups === 0;
}

/** What a weight is by the number of its axes. */
const KINDS = [undefined, 'vector', 'matrix', 'convolution'] as const;

/** A BatchNorm: the statistics, and what was trained where it is affine. How many batches it saw says nothing. */
function readStatistics(
  prefix: string,
  mean: Tensor,
  tensors: ReadonlyMap<string, Tensor>,
  file: string | undefined,
): Statistics {
  const variance = tensors.get('running_var');
  const [weight, bias] = [tensors.get('weight'), tensors.get('bias')];
  if (!variance || mean.shape.length !== 1) throw unknownTensor(mean, file);
  checkFloating(mean, file);
  for (const one of [variance, weight, bias]) if (one) expectShape(one, mean.shape, mean, file);
  return { kind: 'statistics', prefix, mean, variance, ...(weight && { weight }), ...(bias && { bias }) };
}

function readRecurrent({ prefix, kind, tensors }: Group, file: string | undefined): Recurrent {
  const first = tensors.values().next().value!;
  const keys = [...tensors.keys()].map((key) => key.split(' '));
  const depth = Math.max(...keys.map(([, layer]) => Number(layer))) + 1;
  if (depth > LAYER_LIMITS.depth) {
    throw fail('LIMIT_EXCEEDED', 'Too many recurrent layers', { tensor: first.name, found: `${depth}` }, file);
  }
  const directions = keys.some(([, , direction]) => direction === '1') ? 2 : 1;
  const biased = keys.some(([role]) => role.startsWith('bias'));
  const projecting = keys.some(([role]) => role === 'weight_hr');
  const get = (role: string, layer: number, direction: number): Tensor => {
    const tensor = tensors.get(`${role} ${layer} ${direction}`);
    if (tensor) return checkFloating(tensor, file);
    const suffix = kind === 'single' ? '' : `_l${layer}${direction ? '_reverse' : ''}`;
    const name = `${prefix && `${prefix}.`}${role}${suffix}`;
    throw fail('INVALID_FILE', 'A weight of a recurrent layer is missing', { tensor: name }, file);
  };

  const input = get('weight_ih', 0, 0);
  const recurrent = get('weight_hh', 0, 0);
  const [rows, inputs] = matrix(input, file);
  const projected = matrix(recurrent, file)[1];
  const hidden = projecting ? matrix(get('weight_hr', 0, 0), file)[1] : projected;
  const type = (Object.keys(GATES) as CellType[]).find((cell) => GATES[cell] * hidden === rows);
  if (type === undefined || (projecting && type !== 'LSTM')) {
    const gates = projecting ? '4' : '4 (LSTM), 3 (GRU) or 1 (RNN)';
    const expected = `${gates} times ${hidden} rows`;
    throw fail(
      'INVALID_FILE',
      'No recurrent layer has this shape',
      { tensor: input.name, expected, found: `${rows}` },
      file,
    );
  }

  const layers = Array.from({ length: depth }, (_, layer) =>
    Array.from({ length: directions }, (_, direction): CellWeights => {
      const weightIh = get('weight_ih', layer, direction);
      const weightHh = get('weight_hh', layer, direction);
      expectShape(weightIh, [rows, layer === 0 ? inputs : directions * projected], input, file);
      expectShape(weightHh, [rows, projected], input, file);
      const weights: CellWeights = { weightIh, weightHh };
      if (biased) {
        weights.biasIh = expectShape(get('bias_ih', layer, direction), [rows], input, file);
        weights.biasHh = expectShape(get('bias_hh', layer, direction), [rows], input, file);
      }
      if (projecting) {
        weights.weightHr = expectShape(get('weight_hr', layer, direction), [projected, hidden], input, file);
      }
      return weights;
    }),
  );
  const single = kind === 'single';
  return { kind: 'recurrent', prefix, type, inputs, hidden, projected, directions, layers, ...(single && { single }) };
}

function matrix(tensor: Tensor, file: string | undefined): [rows: number, columns: number] {
  const [rows, columns] = tensor.shape;
  if (tensor.shape.length === 2 && rows > 0 && columns > 0) return [rows, columns];
  throw fail('INVALID_FILE', 'A weight that is no matrix', { tensor: tensor.name, found: `[${tensor.shape}]` }, file);
}

function checkFloating(tensor: Tensor, file: string | undefined): Tensor {
  const { name, type, shape } = tensor;
  if (!FLOATING.includes(type)) {
    throw fail('UNSUPPORTED_OPERATOR', 'A weight of integers', { tensor: name, expected: 'floats', found: type }, file);
  }
  if (!shape.includes(0)) return tensor;
  throw fail('INVALID_FILE', 'A weight without numbers', { tensor: name, found: `[${shape.join(', ')}]` }, file);
}

/** A tensor that must have a shape, and the type of its neighbour, beside which it will be stored. */
function expectShape(tensor: Tensor, shape: readonly number[], beside: Tensor, file: string | undefined): Tensor {
  if (tensor.type !== beside.type) {
    const details = { tensor: tensor.name, expected: `${beside.type}, as "${beside.name.slice(0, 100)}"` };
    throw fail('INVALID_FILE', 'A layer of two types', { ...details, found: tensor.type }, file);
  }
  if (tensor.shape.length === shape.length && shape.every((dim, axis) => tensor.shape[axis] === dim)) return tensor;
  const details = { expected: `[${shape.join(', ')}]`, found: `[${tensor.shape.join(', ')}]` };
  throw fail('INVALID_FILE', 'A weight of the wrong shape', { tensor: tensor.name, ...details }, file);
}

function unknownTensor({ name, shape, type }: Tensor, file: string | undefined): RivuletError {
  const convolution = shape.length > 3 && name.endsWith('weight');
  return fail(
    'UNSUPPORTED_OPERATOR',
    convolution ? 'This is a convolution, or another layer that is not read' : 'A tensor that no known layer owns',
    {
      tensor: name,
      expected: 'weights of LSTM, GRU, RNN, Linear, Embedding, LayerNorm, BatchNorm1d or Conv1d',
      found: `${type} [${shape.join(', ')}]`,
      hint: 'Leave it out of the state dict, ignore it in an architecture, or export the model to ONNX',
    },
    file,
  );
}

function fail(
  code: 'INVALID_FILE' | 'UNSUPPORTED_OPERATOR' | 'LIMIT_EXCEEDED',
  what: string,
  details: ErrorDetails,
  file: string | undefined,
): RivuletError {
  return new RivuletError(code, what, { file, ...details });
}
