import { RivuletError } from '../../errors.js';
import { Fields } from '../fields.js';
import { parseJson } from '../json.js';
import { LAYER_LIMITS } from './layers.js';

/**
 * What a state dict leaves open: which layers follow each other, and what stands between them. As JSON:
 *
 *     { "layers": [
 *         { "type": "Embedding", "prefix": "embed" },
 *         { "type": "LSTM", "prefix": "rnn", "output": "state" },
 *         { "type": "Linear", "prefix": "hidden" },
 *         { "type": "ReLU" },
 *         { "type": "Linear", "prefix": "head" } ],
 *       "ignore": ["auxiliary"] }
 *
 * Layers run in this order. `prefix` is the module's name in the state dict; it may be left out where only one module
 * fits. Every tensor must belong to a layer or to a module under `ignore`.
 */
export interface Architecture {
  /** May be left out where `stateDict` is all that has to be said. */
  layers?: ArchitectureLayer[];
  /** Names of modules whose weights are not needed, such as a second head used in training alone. */
  ignore?: string[];
  /** The key under which a checkpoint holds the state dict, such as `model` or `state_dict`. */
  stateDict?: string;
}

export type ArchitectureLayer =
  | { type: 'Embedding' | 'Linear'; prefix?: string }
  | {
      type: 'LSTM' | 'GRU' | 'RNN';
      prefix?: string;
      /**
       * What the next layer gets: `sequence` (the default), each step's output; or `state`, the last layer's state after
       * the last step, forward and backward side by side, as `h_n` has it.
       */
      output?: 'sequence' | 'state';
      /** Of an RNN, which must say it. */
      nonlinearity?: 'tanh' | 'relu';
    }
  | {
      /** One cell, run over the sequence from a state of zeros: its loop is code of the model's own. */
      type: 'LSTMCell' | 'GRUCell' | 'RNNCell';
      prefix?: string;
      output?: 'sequence' | 'state';
      nonlinearity?: 'tanh' | 'relu';
    }
  | {
      type: 'Conv1d';
      prefix?: string;
      /** What stands for the steps that are not there: zeros before them all, or half of them after, which needs the future. */
      padding: 'causal' | 'same';
      /** 1 unless given, both. */
      dilation?: number;
      groups?: number;
    }
  | {
      type: 'LayerNorm' | 'BatchNorm1d';
      prefix?: string;
      /** 1e-5 unless given, as in PyTorch. */
      eps?: number;
    }
  | {
      /** Of a module that is given one step at a time: what it is given with time as an axis, it normalises over all steps. */
      type: 'GroupNorm';
      prefix?: string;
      groups: number;
      over: 'step' | 'sequence';
      eps?: number;
    }
  /** A slope for all numbers, or one for each. */
  | { type: 'PReLU'; prefix?: string }
  | {
      /** What comes in goes through the layers, and past them, and both are added. */
      type: 'Residual';
      layers: ArchitectureLayer[];
      /** What brings it to the same numbers on its way past them. */
      shortcut?: ArchitectureLayer[];
    }
  | {
      type: 'Skip';
      /** Adds the first so many numbers of what the first layer was given; all of them unless said. */
      inputs?: number;
    }
  /** Softmax and LogSoftmax are taken over the last axis. */
  | { type: ActivationType };

export type ActivationType = 'ReLU' | 'Tanh' | 'Sigmoid' | 'Softmax' | 'LogSoftmax';

/** Activations by PyTorch's name, and ONNX's. */
export const ACTIVATIONS: Readonly<Record<ActivationType, string>> = {
  ReLU: 'Relu',
  Tanh: 'Tanh',
  Sigmoid: 'Sigmoid',
  Softmax: 'Softmax',
  LogSoftmax: 'LogSoftmax',
};

const CELLS = ['LSTM', 'GRU', 'RNN', 'LSTMCell', 'GRUCell', 'RNNCell'];
const NORMS = ['LayerNorm', 'BatchNorm1d', 'GroupNorm'];
const WEIGHTED = ['Embedding', ...CELLS, 'Linear', 'Conv1d', 'PReLU', ...NORMS];
const TYPES = [...WEIGHTED, 'Skip', ...Object.keys(ACTIVATIONS)];

/** Steps that lie between two of a kernel's, and groups of a convolution. */
const MAX_SPREAD = 65_536;

export const isActivation = (layer: ArchitectureLayer): layer is { type: ActivationType } =>
  Object.hasOwn(ACTIVATIONS, layer.type);

/** Layers that an architecture may list, those without weights too. */
const MAX_LAYERS = 4 * LAYER_LIMITS.modules;
const MAX_IGNORED = 64;

/**
 * Reads an architecture from JSON, or checks one given as an object.
 * @throws RivuletError `INVALID_FILE`, naming the place; `LIMIT_EXCEEDED`.
 */
export function readArchitecture(architecture: string | object, file?: string): Architecture {
  const text = typeof architecture === 'string' ? architecture : stringify(architecture);
  const fields = new Fields(parseJson(text, 'architecture', file), 'architecture', file);
  const read: Architecture = {};
  if (fields.has('stateDict')) read.stateDict = fields.text('stateDict');
  const room = { layers: MAX_LAYERS, file };
  if (fields.has('layers') || read.stateDict === undefined) {
    read.layers = readList(fields, 'layers', room, (layer) => readTopLayer(layer, room));
  }
  if (fields.has('ignore')) read.ignore = fields.texts('ignore');
  if ((read.ignore?.length ?? 0) > MAX_IGNORED) {
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many modules to ignore', {
      file,
      expected: `at most ${MAX_IGNORED}`,
    });
  }
  fields.end();
  return read;
}

/** How many layers more there may be. */
interface Room {
  layers: number;
  file: string | undefined;
}

/** A list of at least one layer, among as many as there is room for. */
function readList(
  fields: Fields,
  key: string,
  room: Room,
  read: (layer: Fields) => ArchitectureLayer,
): ArchitectureLayer[] {
  const layers = fields.objects(key);
  room.layers -= layers.length;
  if (room.layers < 0) {
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many layers', { file: room.file, expected: `at most ${MAX_LAYERS}` });
  }
  if (layers.length === 0) throw fields.wrong(key, 'at least one layer', []);
  return layers.map(read);
}

function readTopLayer(fields: Fields, room: Room): ArchitectureLayer {
  if (oneOf(fields, 'type', [...TYPES, 'Residual']) !== 'Residual') return readLayer(fields);
  const layers = readList(fields, 'layers', room, readLayer);
  const shortcut = fields.has('shortcut') && { shortcut: readList(fields, 'shortcut', room, readLayer) };
  fields.end();
  return { type: 'Residual', layers, ...shortcut };
}

function readLayer(fields: Fields): ArchitectureLayer {
  const type = oneOf(fields, 'type', TYPES);
  const layer: Record<string, unknown> = { type };
  if (WEIGHTED.includes(type) && fields.has('prefix')) layer.prefix = fields.text('prefix');
  if (CELLS.includes(type) && fields.has('output')) {
    layer.output = oneOf(fields, 'output', ['sequence', 'state']);
  }
  if (type.startsWith('RNN')) layer.nonlinearity = oneOf(fields, 'nonlinearity', ['tanh', 'relu']);
  if (type === 'Skip' && fields.has('inputs')) layer.inputs = fields.count('inputs');
  if (type === 'Conv1d') {
    layer.padding = oneOf(fields, 'padding', ['causal', 'same']);
    for (const key of ['dilation', 'groups']) {
      if (!fields.has(key)) continue;
      const value = fields.count(key);
      if (value === 0 || value > MAX_SPREAD) throw fields.wrong(key, `1 to ${MAX_SPREAD}`, value);
      layer[key] = value;
    }
  }
  if (type === 'GroupNorm') {
    layer.groups = fields.count('groups');
    if (layer.groups === 0) throw fields.wrong('groups', 'at least 1', 0);
    layer.over = oneOf(fields, 'over', ['step', 'sequence']);
  }
  if (NORMS.includes(type) && fields.has('eps')) {
    const eps = fields.get('eps', 'a number');
    if (typeof eps !== 'number' || !(eps >= 0) || !Number.isFinite(Math.fround(eps))) {
      throw fields.wrong('eps', 'a number >= 0', eps);
    }
    layer.eps = eps;
  }
  fields.end();
  return layer as unknown as ArchitectureLayer;
}

function oneOf(fields: Fields, key: string, allowed: readonly string[]): string {
  const value = fields.text(key);
  if (allowed.includes(value)) return value;
  throw fields.wrong(key, allowed.join(', '), value);
}

function stringify(architecture: object): string {
  try {
    return JSON.stringify(architecture) ?? 'null';
  } catch (cause) {
    throw new RivuletError('INVALID_OPTION', 'architecture', { expected: 'plain data', cause });
  }
}
