import { RivuletError } from '../../errors.js';
import type { Graph, Tensor } from '../../graph/graph.js';
import { buildGraph } from '../chain/build.js';
import type { Step } from '../chain/layers.js';
import { floatTensor } from '../constants.js';
import { Fields } from '../fields.js';
import type { JsonObject } from '../json.js';
import { modelName } from '../names.js';
import { textOf } from '../nested.js';
import { lengthOf, readLayer, widthOf } from './layers.js';

/** Layers of a model: far more than an audio thread could run. */
const MAX_LAYERS = 256;

/** What AIDA-X lets a file say of itself; it travels as metadata. */
const DESCRIPTION = [
  'name',
  'author',
  'samplerate',
  'esr',
  'license',
  'source',
  'style',
  'based',
  'dataset',
  'metadata',
];

/** Audio by which AIDA-X checks what it has loaded: no part of the model. */
const CHECKS = ['input_batch', 'output_batch'];

/**
 * Reads the JSON of RTNeural, whose layers and weights are Keras's, and that of AIDA-X, which adds the input to the output
 * and gains in decibels: x [T, N, I] -> y [T, N, O].
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `INVALID_FILE` where sizes disagree or a key is unknown, `UNSUPPORTED_OPERATOR` for a layer or
 *   activation that is not read, `LIMIT_EXCEEDED`.
 */
export function readRtneural(json: JsonObject, file?: string): Graph {
  const model = new Fields(json, 'model', file);
  const inputs = widthOf(model, 'in_shape');
  const layers = model.objects('layers');
  if (layers.length === 0) throw model.wrong('layers', 'at least one layer', []);
  if (layers.length > MAX_LAYERS) {
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many layers', { file, expected: `at most ${MAX_LAYERS}` });
  }
  const steps: Step[] = [...gain(model, 'in_gain', inputs)];
  let width = inputs;
  let length = lengthOf(model, 'in_shape');
  for (const layer of layers) {
    const read = readLayer(layer, width, length, file);
    steps.push(...read.steps);
    width = read.width;
    length = read.length;
  }
  const skip = model.has('in_skip') ? model.count('in_skip') : 0;
  if (skip > 0 && (skip > inputs || skip !== width)) {
    throw model.wrong('in_skip', `0, or the ${width} outputs, of which there are as many inputs`, skip);
  }
  if (skip > 0) steps.push({ op: 'skip', inputs: skip });
  steps.push(...gain(model, 'out_gain', width));
  const metadata = describe(model);
  model.end();
  return buildGraph(steps, modelName(file), metadata, file);
}

/** Below, AIDA-X takes a gain for silence. */
const SILENCE = -90;

/** A gain in decibels, on the first number of a row: the others are controls. */
function gain(model: Fields, key: string, width: number): Step[] {
  if (!model.has(key)) return [];
  const decibels = model.number(key);
  if (decibels === 0) return [];
  const factor = decibels > SILENCE ? 10 ** (decibels / 20) : 0;
  const scale: Tensor = floatTensor(key, [factor, ...Array.from({ length: width - 1 }, () => 1)], [width]);
  return [{ op: 'affine', name: key, scale }];
}

function describe(model: Fields): Record<string, string> {
  for (const key of CHECKS) if (model.has(key)) model.get(key, 'numbers');
  const told = DESCRIPTION.filter((key) => model.has(key)).map((key) => [key, textOf(model.get(key, 'a text'))]);
  return Object.fromEntries(told);
}
