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
  layers: ArchitectureLayer[];
  /** Names of modules whose weights are not needed, such as a second head used in training alone. */
  ignore?: string[];
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
      type: 'LayerNorm';
      prefix?: string;
      /** 1e-5 unless given, as in PyTorch. */
      eps?: number;
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

const TYPES = ['Embedding', 'LSTM', 'GRU', 'RNN', 'Linear', 'LayerNorm', 'Skip', ...Object.keys(ACTIVATIONS)];

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
  const layers = fields.objects('layers');
  if (layers.length > MAX_LAYERS) {
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many layers', { file, expected: `at most ${MAX_LAYERS}` });
  }
  const read: Architecture = { layers: layers.map(readLayer) };
  if (fields.has('ignore')) read.ignore = fields.texts('ignore');
  if ((read.ignore?.length ?? 0) > MAX_IGNORED) {
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many modules to ignore', {
      file,
      expected: `at most ${MAX_IGNORED}`,
    });
  }
  fields.end();
  if (read.layers.length === 0) throw fields.wrong('layers', 'at least one layer', []);
  return read;
}

function readLayer(fields: Fields): ArchitectureLayer {
  const type = oneOf(fields, 'type', TYPES);
  const layer: Record<string, unknown> = { type };
  if (type !== 'Skip' && !Object.hasOwn(ACTIVATIONS, type) && fields.has('prefix'))
    layer.prefix = fields.text('prefix');
  if (['LSTM', 'GRU', 'RNN'].includes(type) && fields.has('output')) {
    layer.output = oneOf(fields, 'output', ['sequence', 'state']);
  }
  if (type === 'RNN') layer.nonlinearity = oneOf(fields, 'nonlinearity', ['tanh', 'relu']);
  if (type === 'Skip' && fields.has('inputs')) layer.inputs = fields.count('inputs');
  if (type === 'LayerNorm' && fields.has('eps')) {
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
