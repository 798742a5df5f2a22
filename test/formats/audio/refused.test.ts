import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import { audioText } from './files.js';

// biome-ignore lint/suspicious/noExplicitAny: the parts of a file are taken as they come
type Any = any;

const bytesOf = (model: unknown) => new TextEncoder().encode(JSON.stringify(model));
/** Loads a file with something changed. */
function altered(file: string, change: (model: Any) => void): Promise<unknown> {
  const model = JSON.parse(audioText(file));
  change(model);
  return loadModel(bytesOf(model), { name: file });
}

describe('what is refused of audio formats', () => {
  it.each<[string, string, string, RegExp, (model: Any) => void]>([
    [
      'a layer of another size than its weights',
      'aida-x-lstm-1.json',
      'INVALID_FILE',
      /layers\[0\]\.weights\[0\]: the kernel is of another size.*expected \[1, 28\], found \[1, 24\]/,
      ({ layers }) => {
        layers[0].shape[2] = 7;
      },
    ],
    [
      'another number of inputs than the weights have',
      'aida-x-gru-2.json',
      'INVALID_FILE',
      /the kernel is of another size.*expected \[3, 18\], found \[2, 18\]/,
      (model) => {
        model.in_shape[2] = 3;
      },
    ],
    [
      'a shape without an end',
      'aida-x-gru-1.json',
      'INVALID_FILE',
      /in_shape.*found null/,
      (model) => model.in_shape.pop() && (model.in_shape = [1, null]),
    ],
    [
      'weights too many',
      'aida-x-gru-1.json',
      'INVALID_FILE',
      /layers\[1\]\.weights.*2 arrays.*"3"/,
      ({ layers }) => layers[1].weights.push([1]),
    ],
    [
      'weights too few',
      'aida-x-gru-1.json',
      'INVALID_FILE',
      /layers\[0\]\.weights.*a bias too/,
      ({ layers }) => layers[0].weights.pop(),
    ],
    [
      'rows of different lengths',
      'aida-x-gru-1.json',
      'INVALID_FILE',
      /weights\[0\] is no tensor.*lists of 18/,
      ({ layers }) => layers[0].weights[1][2].pop() && (layers[0].weights[0] = layers[0].weights[1]),
    ],
    [
      'a number out of range',
      'aida-x-gru-1.json',
      'INVALID_FILE',
      /range of float32/,
      ({ layers }) => (layers[1].weights[1][0] = 1e39),
    ],
    [
      'an unknown layer',
      'aida-x-gru-1.json',
      'UNSUPPORTED_OPERATOR',
      /layers\[0\]: a layer that is not read.*"?conv2d/,
      ({ layers }) => (layers[0].type = 'conv2d'),
    ],
    [
      'an unknown activation',
      'aida-x-gru-1.json',
      'UNSUPPORTED_OPERATOR',
      /layers\[1\]: an activation.*found gelu/,
      ({ layers }) => (layers[1].activation = 'gelu'),
    ],
    [
      'a cell with another activation',
      'aida-x-lstm-1.json',
      'UNSUPPORTED_OPERATOR',
      /layers\[0\]: an activation.*found relu/,
      ({ layers }) => (layers[0].activation = 'relu'),
    ],
    [
      'a key of a layer',
      'aida-x-lstm-1.json',
      'INVALID_FILE',
      /layers\[1\] has a key that nobody reads.*"bias"/,
      ({ layers }) => (layers[1].bias = 1),
    ],
    [
      'a key of the file',
      'aida-x-lstm-1.json',
      'INVALID_FILE',
      /model has a key that nobody reads.*"dry"/,
      (model) => (model.dry = 0.5),
    ],
    [
      'a skip of more than the outputs',
      'aida-x-gru-2.json',
      'INVALID_FILE',
      /in_skip.*found 2/,
      (model) => (model.in_skip = 2),
    ],
    ['no layers', 'aida-x-gru-1.json', 'INVALID_FILE', /at least one layer/, (model) => (model.layers = [])],

    [
      'a window that a convolution shortens',
      'layers.json',
      'UNSUPPORTED_OPERATOR',
      /layers\[1\]: a convolution without padding.*64 steps.*found 60/,
      (model) => {
        for (const { shape } of [{ shape: model.in_shape }, ...model.layers]) shape[1] = 64;
        model.layers[1].shape[1] = 60;
      },
    ],
    [
      'groups that do not divide',
      'layers.json',
      'INVALID_FILE',
      /layers\[1\]\.groups.*divisor of 6 and 4, found 3/,
      ({ layers }) => (layers[1].groups = 3),
    ],
    [
      'a slope for another number of channels',
      'layers.json',
      'INVALID_FILE',
      /the alpha is of another size.*expected \[1, 1\] or \[1, 4\], found \[1, 3\]/,
      ({ layers }) => layers[3].weights[0][0].pop(),
    ],

    [
      'a size that is not the weights’',
      'simple-lstm.json',
      'INVALID_FILE',
      /not those of the sizes declared.*1, 6, 1, 1.*found 1, 5, 1, 1/,
      ({ model_data }) => (model_data.hidden_size = 6),
    ],
    [
      'a cell that is not the weights’',
      'simple-lstm.json',
      'INVALID_FILE',
      /no weights.*GRU "rec"/,
      ({ model_data }) => (model_data.unit_type = 'GRU'),
    ],
    [
      'another network',
      'simple-lstm.json',
      'UNSUPPORTED_OPERATOR',
      /network that is not read.*GatedConvNet/,
      ({ model_data }) => (model_data.model = 'GatedConvNet'),
    ],
    [
      'a skip that does not fit',
      'simple-gru.json',
      'INVALID_FILE',
      /skip does not fit.*1 numbers.*found 2/,
      ({ model_data }) => (model_data.skip = 2),
    ],
    [
      'an unknown key',
      'simple-gru.json',
      'INVALID_FILE',
      /model_data has a key.*"dropout"/,
      ({ model_data }) => (model_data.dropout = 0.1),
    ],
    [
      'weights left over',
      'simple-gru.json',
      'INVALID_FILE',
      /leaves out a layer.*more/,
      ({ state_dict }) => (state_dict['more.weight'] = [[1]]),
    ],
    [
      'a RecNet of two blocks',
      'recnet.json',
      'UNSUPPORTED_OPERATOR',
      /several blocks/,
      ({ blocks }) => (blocks['1'] = blocks['0']),
    ],

    [
      'another architecture',
      'lstm-1x4.nam',
      'UNSUPPORTED_OPERATOR',
      /expected LSTM, found WaveNet/,
      (model) => (model.architecture = 'WaveNet'),
    ],
    [
      'a list too short',
      'lstm-1x4.nam',
      'INVALID_FILE',
      /model\.weights.*more numbers.*"108"/,
      ({ weights }) => weights.pop(),
    ],
    [
      'a list too long',
      'lstm-1x4.nam',
      'INVALID_FILE',
      /model\.weights.*109 numbers.*"110"/,
      ({ weights }) => weights.push(0),
    ],
    [
      'a list of lists',
      'lstm-1x4.nam',
      'INVALID_FILE',
      /weights.*list of numbers/,
      (model) => (model.weights = [model.weights]),
    ],
    [
      'an unknown setting',
      'lstm-1x4.nam',
      'INVALID_FILE',
      /config has a key.*"bidirectional"/,
      ({ config }) => (config.bidirectional = true),
    ],
    [
      'a size of zero',
      'lstm-1x4.nam',
      'INVALID_FILE',
      /hidden_size.*1 to 4096, found 0/,
      ({ config }) => (config.hidden_size = 0),
    ],
  ])('%s', async (_, file, code, message, change) => {
    await expect(altered(file, change)).rejects.toMatchObject({ code, file, message: expect.stringMatching(message) });
  });
});
