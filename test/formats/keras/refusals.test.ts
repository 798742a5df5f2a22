import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/errors.js';
import { parseModelJson } from '../../../src/formats/keras/architecture.js';
import { readKeras } from '../../../src/formats/keras/keras.js';
import { translate } from '../../../src/formats/keras/translate.js';
import { weightsInOrder } from '../../../src/formats/keras/weights.js';
import { readZip } from '../../../src/formats/zip.js';
import type { Graph } from '../../../src/graph/graph.js';
import { floats } from '../../support/graphs.js';
import { zip } from '../pytorch/files.js';
import { cases, kerasFile } from './files.js';

type Json = Record<string, unknown>;

/** A layer of a Sequential that is given [N, T, 3]. */
const layer = (class_name: string, config: Json = {}): Json => ({
  class_name,
  config: { name: class_name, ...config },
});
const CELL = { units: 2, activation: 'tanh', recurrent_activation: 'sigmoid', return_sequences: true };
const LSTM = layer('LSTM', CELL);
/** Shapes of the weights of `LSTM`. */
const WEIGHTS = [[3, 8], [2, 8], [8]];

interface Given {
  layers: unknown[];
  weights?: number[][];
  input?: (number | null)[];
  version?: string;
  unpadded?: boolean;
}

function graphOf({ layers, weights = [], input = [null, null, 3], version, unpadded = false }: Given): Graph {
  const all = [layer('InputLayer', { batch_input_shape: input }), ...layers];
  return translate({
    topology: parseModelJson(
      JSON.stringify({ class_name: 'Sequential', config: { name: 'm', layers: all } }),
      'test',
      undefined,
    ),
    weights: weightsInOrder(
      weights.map((shape, i) => floats(`${i}`, shape, new Array(shape.reduce((a, b) => a * b, 1)).fill(0.5))),
    ),
    kerasVersion: version,
    name: 'm',
    file: undefined,
    unpadded,
  });
}

describe('what a Keras model may hold and is refused for', () => {
  it.each<[string, Given, ErrorCode, RegExp]>([
    [
      'a layer that is not read',
      { layers: [layer('MultiHeadAttention')] },
      'UNSUPPORTED_OPERATOR',
      /layer class MultiHeadAttention/,
    ],
    ['a Lambda', { layers: [layer('Lambda', { function: 'x' })] }, 'UNSUPPORTED_OPERATOR', /Python function/],
    ['RepeatVector', { layers: [layer('RepeatVector', { n: 4 })] }, 'UNSUPPORTED_OPERATOR', /Split the model in two/],
    [
      'a key that nobody reads',
      { layers: [layer('LSTM', { ...CELL, zoneout: 0.1 })], weights: WEIGHTS },
      'UNSUPPORTED_ATTRIBUTE',
      /zoneout/,
    ],
    [
      'a function that is not read',
      { layers: [layer('Activation', { activation: 'snake' })] },
      'UNSUPPORTED_OPERATOR',
      /snake/,
    ],
    [
      'a function that no cell has',
      { layers: [layer('LSTM', { ...CELL, activation: 'gelu' })], weights: WEIGHTS },
      'UNSUPPORTED_OPERATOR',
      /Gelu/,
    ],
    [
      'a cell that names no function',
      { layers: [layer('LSTM', { units: 2, activation: 'tanh' })], weights: WEIGHTS },
      'INVALID_FILE',
      /recurrent_activation/,
    ],
    [
      'a mask before a cell',
      { layers: [layer('Masking', { mask_value: 0 }), LSTM], weights: WEIGHTS },
      'UNSUPPORTED_OPERATOR',
      /steps are masked.*unpadded: true/,
    ],
    [
      'steps that are flattened',
      { layers: [LSTM, layer('Flatten')], weights: WEIGHTS },
      'UNSUPPORTED_OPERATOR',
      /neither time nor batch/,
    ],
    [
      'steps that are flattened, of a fixed number',
      { layers: [LSTM, layer('Flatten')], weights: WEIGHTS, input: [null, 24, 3] },
      'UNSUPPORTED_OPERATOR',
      /neither time nor batch/,
    ],
    [
      'steps that are cut',
      {
        layers: [layer('Reshape', { target_shape: [-1, 1] }), layer('SimpleRNN', { units: 1, activation: 'tanh' })],
        weights: [[1, 1], [1, 1], [1]],
      },
      'UNSUPPORTED_OPERATOR',
      /joined or cut/,
    ],
    ['a weight that is missing', { layers: [LSTM], weights: WEIGHTS.slice(0, 2) }, 'INVALID_FILE', /no weight "bias"/],
    [
      'a weight that nobody reads',
      { layers: [LSTM], weights: [...WEIGHTS, [2]] },
      'INVALID_FILE',
      /Weights that no layer reads/,
    ],
    [
      'a weight of another shape',
      { layers: [LSTM], weights: [[3, 8], [2, 6], [8]] },
      'INVALID_FILE',
      /expected \[2, 8\], found \[2, 6\]/,
    ],
    [
      'an input that does not fit',
      { layers: [LSTM], weights: [[4, 8], [2, 8], [8]] },
      'INVALID_FILE',
      /does not fit its weights/,
    ],
    [
      'a bias that reset_after contradicts',
      {
        layers: [layer('GRU', { ...CELL, reset_after: false })],
        weights: [
          [3, 6],
          [2, 6],
          [2, 6],
        ],
      },
      'INVALID_FILE',
      /wrong shape/,
    ],
    [
      'a norm over another axis',
      { layers: [layer('BatchNormalization', { axis: [1], epsilon: 1e-3 })], weights: [[3], [3], [3], [3]] },
      'UNSUPPORTED_ATTRIBUTE',
      /"axis"/,
    ],
    [
      'LoRA',
      { layers: [layer('Dense', { units: 2, lora_rank: 4 })], weights: [[3, 2], [2]] },
      'UNSUPPORTED_ATTRIBUTE',
      /lora_rank/,
    ],
    [
      'int8 weights',
      { layers: [layer('Dense', { units: 2, dtype: 'int8_from_float32' })], weights: [[3, 2], [2]] },
      'UNSUPPORTED_ATTRIBUTE',
      /dtype/,
    ],
    [
      'a merge mode that is not known',
      { layers: [layer('Bidirectional', { layer: LSTM, merge_mode: 'max' })], weights: [...WEIGHTS, ...WEIGHTS] },
      'UNSUPPORTED_ATTRIBUTE',
      /merge_mode/,
    ],
    [
      'a cell within TimeDistributed',
      { layers: [layer('TimeDistributed', { layer: LSTM })], weights: WEIGHTS, input: [null, null, 2, 3] },
      'UNSUPPORTED_OPERATOR',
      /inside TimeDistributed/,
    ],
    [
      'channels first',
      {
        layers: [layer('Conv1D', { filters: 2, kernel_size: 1, data_format: 'channels_first' })],
        weights: [[1, 3, 2], [2]],
      },
      'UNSUPPORTED_ATTRIBUTE',
      /data_format/,
    ],
    ['Keras 1', { layers: [LSTM], weights: WEIGHTS, version: '1.2.2' }, 'UNSUPPORTED_OPERATOR', /version of Keras/],
    [
      'a custom layer',
      { layers: [{ ...LSTM, registered_name: 'Custom>LSTM' }], weights: WEIGHTS },
      'UNSUPPORTED_OPERATOR',
      /custom layer/,
    ],
    [
      'an operation that means something else than the layer of its name',
      { layers: [{ ...layer('Average', { axis: null }), module: 'keras.src.ops.numpy' }] },
      'UNSUPPORTED_OPERATOR',
      /operation Average/,
    ],
    [
      'the same where the file does not tell them apart',
      { layers: [layer('Average', { axis: null })] },
      'INVALID_FILE',
      /Average: inputs: expected 2 or more, found 1/,
    ],
    [
      'a class of another module',
      { layers: [{ ...LSTM, module: 'my.layers' }], weights: WEIGHTS },
      'UNSUPPORTED_OPERATOR',
      /another module/,
    ],
  ])('%s', (_, given, code, message) => {
    expect(() => graphOf(given)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  it('a mask that is said to hide nothing is left out', () => {
    const plain = graphOf({ layers: [LSTM], weights: WEIGHTS });
    const masked = graphOf({ layers: [layer('Masking', { mask_value: 0 }), LSTM], weights: WEIGHTS, unpadded: true });
    expect(masked.nodes).toEqual(plain.nodes);
  });

  it('hard_sigmoid is that of the version', () => {
    const slope = (version: string) => {
      const layers = [layer('Activation', { activation: 'hard_sigmoid' })];
      return graphOf({ layers, version }).nodes[0].attributes.alpha;
    };
    expect(slope('2.2.4-tf')).toBe(0.2);
    expect(slope('tfjs-layers 4.22.0')).toBe(0.2);
    expect(slope('3.15.1')).toBe(1 / 6);
  });

  it.each(['Activation', 'Dropout'])('models that call each other very often: %s', (className) => {
    const call = (name: string, node: number) => [[name, node, 0, {}]];
    let inner: Json = layer(className, { name: 'f0', activation: className === 'Activation' ? 'tanh' : null });
    // Twelve models, each of which calls the one within it four times, one after the other: 16 million calls.
    for (let i = 1; i <= 12; i++) {
      const { name } = inner.config as { name: string };
      const x = { ...layer('InputLayer', { name: 'x', batch_input_shape: [null, 3] }), name: 'x', inbound_nodes: [] };
      const calls = [call('x', 0), call(name, 0), call(name, 1), call(name, 2)];
      const layers = [x, { ...inner, name, inbound_nodes: calls }];
      const config = { name: `f${i}`, layers, input_layers: [['x', 0, 0]], output_layers: [[name, 3, 0]] };
      inner = { class_name: 'Functional', config };
    }
    const refusal = expect.objectContaining({ code: 'LIMIT_EXCEEDED' });
    expect(() => graphOf({ layers: [inner], input: [null, 3] })).toThrow(refusal);
  });

  it('a layer that is told to train', () => {
    const x = { ...layer('InputLayer', { name: 'x', batch_input_shape: [null, 3] }), name: 'x', inbound_nodes: [] };
    const drop = {
      ...layer('Dropout', { name: 'd', rate: 0.5 }),
      name: 'd',
      inbound_nodes: [[['x', 0, 0, { training: true }]]],
    };
    const config = { name: 'f', layers: [x, drop], input_layers: [['x', 0, 0]], output_layers: [['d', 0, 0]] };
    const refusal = expect.objectContaining({
      code: 'UNSUPPORTED_ATTRIBUTE',
      message: expect.stringMatching(/training/),
    });
    expect(() => graphOf({ layers: [{ class_name: 'Functional', config }], input: [null, 3] })).toThrow(refusal);
  });
});

describe('what a file of Keras may hold and is refused for', () => {
  const architecture = cases.find(({ name }) => name === 'weights')!.architecture as object;
  const archive = (edit: (members: Map<string, Uint8Array>) => void) => {
    const members = readZip(kerasFile('lstm.keras'));
    edit(members);
    return zip([...members]);
  };

  it('weights without an architecture', async () => {
    await expect(readKeras(kerasFile('weights.weights.h5'))).rejects.toMatchObject({
      code: 'UNKNOWN_FORMAT',
      hint: expect.stringMatching(/to_json/),
    });
  });

  it('an HDF5 file of something else', async () => {
    const bytes = new Uint8Array(kerasFile('../hdf5/many.h5'));
    await expect(readKeras(bytes)).rejects.toThrow(/that Keras did not write/);
  });

  it('an archive without its config', async () => {
    await expect(readKeras(archive((members) => members.delete('config.json')))).rejects.toMatchObject({
      code: 'UNKNOWN_FORMAT',
    });
  });

  it('weights of another model', async () => {
    const other = readZip(kerasFile('gru.keras')).get('model.weights.h5')!;
    await expect(readKeras(archive((members) => members.set('model.weights.h5', other)))).rejects.toMatchObject({
      code: 'INVALID_FILE',
    });
  });

  it('a layer that the architecture leaves out, unless it says so', async () => {
    const bytes = kerasFile('lstm.h5');
    const without = {
      class_name: 'Sequential',
      config: {
        name: 's',
        layers: [
          layer('LSTM', {
            name: 'lstm',
            units: 5,
            activation: 'tanh',
            recurrent_activation: 'sigmoid',
            batch_input_shape: [null, null, 3],
          }),
        ],
      },
    };
    await expect(readKeras(bytes, undefined, { architecture: without })).rejects.toThrow(/dense/);
    const graph = await readKeras(bytes, undefined, { architecture: { ...without, ignore: ['dense'] } });
    expect(graph.nodes.map(({ op }) => op)).toEqual(['LSTM', 'Squeeze']);
  });

  it('an architecture that is no plain data', async () => {
    const cyclic: Json = {};
    cyclic.self = cyclic;
    await expect(readKeras(kerasFile('lstm.h5'), undefined, { architecture: cyclic })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
    await expect(readKeras(kerasFile('lstm.h5'), undefined, { architecture })).rejects.toMatchObject({
      code: 'INVALID_FILE',
    });
  });
});
