import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseModelJson } from '../../../src/formats/keras/architecture.js';
import { translate } from '../../../src/formats/keras/translate.js';
import { weightsInOrder } from '../../../src/formats/keras/weights.js';
import { writeNative } from '../../../src/formats/safetensors/write-native.js';
import { loadModel } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { floats } from '../../support/graphs.js';
import { readNpz } from '../onnx/npz.js';

const FOLDER = fileURLToPath(new URL('../../../../shared/conformance/', import.meta.url));
const present = existsSync(FOLDER);
if (!present) console.log('keras: ../shared/conformance is not here; its models are left out');

interface Numbers {
  shape: number[];
  data: number[];
}

interface LayerCase {
  attributes: { inputShape: number[]; attrs: Record<string, unknown> };
  input: Numbers;
  weights: Numbers[];
  expected: Numbers;
}

/** One layer; weights and inputs were cut to six digits, and sums of 6 products carry that on. */
const PRINTED = 3e-6;
/** Against TensorFlow.js's float32, three cells of 16 units over 15 steps. */
const TFJS = 1e-6;
/** Two cells and what surrounds them over 500 steps, both sides in float32. */
const FRAMES = 1e-5;

/** Cases whose layer is refused by name. */
const REFUSED: readonly string[] = ['wrappers.TimeDistributed.1'];

const layerCases: [string, LayerCase][] = present
  ? Object.entries(JSON.parse(readFileSync(`${FOLDER}keras_layers/cases.json`, 'utf8')))
  : [];

describe.skipIf(!present)('layers of Keras 2 that others recorded', () => {
  it.each(layerCases)('%s', async (name, { attributes, input, weights, expected }) => {
    const config = { name: 'layer', batch_input_shape: [null, ...attributes.inputShape], ...attributes.attrs };
    const topology = { class_name: 'Sequential', config: { layers: [{ class_name: name.split('.')[1], config }] } };
    const tensors = weights.map(({ shape, data }, i) => floats(`${i}`, shape, data));
    const load = async () =>
      loadModel(
        writeNative(
          translate({
            topology: parseModelJson(JSON.stringify(topology), 'case', undefined),
            weights: weightsInOrder(tensors),
            kerasVersion: undefined,
            name,
            file: undefined,
            unpadded: false,
          }),
        ),
      );
    if (REFUSED.includes(name)) return expect(load()).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATOR' });
    const model = await load();
    const { layer } = model.run({ layer_input: { shape: [1, ...input.shape], data: input.data } });
    expect(layer.shape).toEqual([1, ...expected.shape]);
    return expect(largestDifference(layer.data, expected.data)).toBeLessThan(PRINTED);
  });

  it('covers something', () => expect(layerCases.length).toBe(28));
});

const explornn = present ? readdirSync(`${FOLDER}tfjs_explornn`).filter((name) => name.endsWith('.golden.json')) : [];

describe.skipIf(!present)('TensorFlow.js models that others trained', () => {
  it.each(explornn)('%s', async (golden) => {
    const { input_shape, input, output_shape, output } = JSON.parse(
      readFileSync(`${FOLDER}tfjs_explornn/${golden}`, 'utf8'),
    );
    const model = await loadModel(`${FOLDER}tfjs_explornn/${golden.replace('.golden.json', '')}/model.json`);
    const [name] = model.inputs.map((port) => port.name);
    const [[, made]] = Object.entries(model.run({ [name]: { shape: input_shape, data: input } }));
    expect(made.shape).toEqual(output_shape);
    expect(largestDifference(made.data, output)).toBeLessThan(TFJS);
    // The first sequence alone, step by step: what comes of the last step.
    const stream = model.createStream();
    const steps = input.slice(0, input_shape[1]).map((x: number) => (stream.step([x]) as Float32Array)[0]);
    expect(steps.at(-1)).toBe(made.data[0]);
  });

  it('covers something', () => expect(explornn.length).toBeGreaterThanOrEqual(12));
});

/** The two halves of DTLN as Keras would call them; the file has the weights of both, and Lambda layers between. */
const lstm = (name: string) => ({
  class_name: 'LSTM',
  config: { name, units: 128, return_sequences: true, activation: 'tanh', recurrent_activation: 'sigmoid' },
});
const DTLN = {
  mask: [
    lstm('lstm'),
    { class_name: 'Dropout', config: { name: 'dropout', rate: 0.25 } },
    lstm('lstm_1'),
    { class_name: 'Dense', config: { name: 'dense', units: 257, activation: 'sigmoid' } },
  ],
  width: 257,
  ignore: ['conv1d', 'layer_normalization', 'lstm_2', 'lstm_3', 'dense_1', 'conv1d_1'],
};

describe.skipIf(!present)('DTLN from HDF5', () => {
  const arrays = present ? readNpz(readFileSync(`${FOLDER}dtln/gtcrn_mix.npz`)) : {};
  const numbers = (name: string) => Float32Array.from(arrays[name].data as Float32Array);

  const half = (architecture: object) =>
    loadModel(`${FOLDER}dtln/model.h5`, { architecture: architecture as { class_name: string; config: object } });

  it('gives the golden masks, streamed', async () => {
    const layers = DTLN.mask.map((layer, i) =>
      i === 0 ? { ...layer, config: { ...layer.config, batch_input_shape: [1, null, DTLN.width] } } : layer,
    );
    const model = await half({ class_name: 'Sequential', config: { name: 'one', layers }, ignore: DTLN.ignore });
    expect(largestDifference(model.createStream().run(numbers('in_mag')), numbers('mask'))).toBeLessThan(FRAMES);
  });

  it('gives the golden blocks, streamed', async () => {
    const conv = (name: string, filters: number) => ({
      class_name: 'Conv1D',
      config: {
        name,
        filters,
        kernel_size: [1],
        strides: [1],
        padding: 'causal',
        use_bias: false,
        activation: 'linear',
      },
    });
    const call = (...names: string[]) => [names.map((name) => [name, 0, 0, {}])];
    const layers = [
      {
        class_name: 'InputLayer',
        name: 'x',
        config: { name: 'x', batch_input_shape: [1, null, 512] },
        inbound_nodes: [],
      },
      { ...conv('conv1d', 256), inbound_nodes: call('x') },
      {
        class_name: 'LayerNormalization',
        config: { name: 'layer_normalization', axis: [2], epsilon: 1e-7, center: true, scale: true },
        inbound_nodes: call('conv1d'),
      },
      { ...lstm('lstm_2'), inbound_nodes: call('layer_normalization') },
      { ...lstm('lstm_3'), inbound_nodes: call('lstm_2') },
      {
        class_name: 'Dense',
        config: { name: 'dense_1', units: 256, activation: 'sigmoid' },
        inbound_nodes: call('lstm_3'),
      },
      { class_name: 'Multiply', config: { name: 'multiply' }, inbound_nodes: call('dense_1', 'conv1d') },
      { ...conv('conv1d_1', 512), inbound_nodes: call('multiply') },
    ];
    const config = { name: 'two', layers, input_layers: [['x', 0, 0]], output_layers: [['conv1d_1', 0, 0]] };
    const model = await half({ class_name: 'Functional', config, ignore: ['lstm', 'lstm_1', 'dense'] });
    expect(largestDifference(model.createStream().run(numbers('est_block')), numbers('out_block'))).toBeLessThan(
      FRAMES,
    );
  });
});
