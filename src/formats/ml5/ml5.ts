import { RivuletError } from '../../errors.js';
import type { Graph, Tensor } from '../../graph/graph.js';
import { byteLength, toFloat32 } from '../../graph/tensor.js';
import type { Neighbours } from '../../io/neighbours.js';
import { decodeUtf8 } from '../../io/utf8.js';
import { buildGraph } from '../chain/build.js';
import type { CellWeights, Recurrent, Step } from '../chain/layers.js';
import { floatTensor, transposed } from '../constants.js';
import { Fields } from '../fields.js';
import { type JsonObject, parseJson } from '../json.js';

/** The file that names each character's token, beside the manifest. */
const VOCABULARY = 'vocab.json';
/** What the trainer kept for itself: a step or a learning rate. Its file is not read. */
const UNUSED = 'Variable';

const EMBEDDING = 'embedding';
const HEAD = 'rnnlm/softmax_w';
const HEAD_BIAS = 'rnnlm/softmax_b';
const CELL = /^rnnlm\/multi_rnn_cell\/cell_(\d{1,2})\/basic_lstm_cell\/(kernel|bias|weights|biases)$/;

/** TensorFlow 1's BasicLSTMCell adds it to the forget gate when it runs. */
const FORGET_BIAS = 1;

/** Gates of PyTorch, i f g o, as indices into TensorFlow 1's, i j f o. */
const GATES = [0, 2, 1, 3];

/**
 * Reads a character model of ml5 by its `manifest.json`: names and shapes of float32 tensors, each in a file of its own;
 * `vocab.json` beside them. tokens [T, N] -> y, the logits [T, N, V].
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `INVALID_FILE` where shapes do not fit each other or their files, or a tensor is unknown, and what
 *   reading the files throws.
 */
export async function readMl5(
  json: JsonObject,
  file: string | undefined,
  _: unknown,
  neighbours: Neighbours,
): Promise<Graph> {
  const weights = new WeightFiles(new Fields(json, 'manifest', file), file, neighbours);
  const depth = weights.depth;
  const embedding = await weights.read(EMBEDDING);
  const [size, width = 1] = embedding.shape;
  weights.expect(embedding, [size, width]);
  let inputs = width;
  const steps: Step[] = [{ op: 'Embedding', layer: { kind: 'matrix', prefix: EMBEDDING, weight: embedding } }];
  for (let k = 0; k < depth; k++) {
    const { hidden, cell } = await weights.cell(k, inputs);
    const layer: Recurrent = {
      kind: 'recurrent',
      prefix: `cell_${k}`,
      type: 'LSTM',
      inputs,
      hidden,
      projected: hidden,
      directions: 1,
      layers: [[cell]],
    };
    steps.push({ op: 'cell', layer, output: 'sequence', nonlinearity: 'tanh' });
    inputs = hidden;
  }
  const weight = transposed(weights.expect(await weights.read(HEAD), [inputs, size]));
  const bias = weights.expect(await weights.read(HEAD_BIAS), [size]);
  steps.push({ op: 'Linear', layer: { kind: 'matrix', prefix: 'softmax', weight, bias } });
  weights.end();
  const vocabulary = readVocabulary(await neighbours(VOCABULARY), size, file);
  return buildGraph(steps, folderName(file), { vocabulary: JSON.stringify(vocabulary) }, file);
}

/** The folder is what such a model is called: its files have the same names in all. */
function folderName(file: string | undefined): string {
  return file?.split(/[?#]/)[0].split(/[/\\]/).at(-2) || 'model';
}

/** The tensors that a manifest lists, each in its file. */
class WeightFiles {
  constructor(
    private readonly manifest: Fields,
    private readonly file: string | undefined,
    private readonly neighbours: Neighbours,
  ) {}

  /** Layers, which are numbered from 0. */
  get depth(): number {
    const numbers = [...this.manifest.keys()].flatMap((key) => CELL.exec(key)?.[1] ?? []);
    return Math.max(-1, ...numbers.map(Number)) + 1;
  }

  async read(name: string): Promise<Tensor> {
    const entry = this.manifest.fields(name);
    const filename = entry.text('filename');
    const shape = entry.counts('shape');
    entry.end();
    const bytes = await this.neighbours(filename);
    const length = byteLength('float32', shape);
    if (shape.length > 0 && length > 0 && bytes.length === length) return { name, type: 'float32', shape, bytes };
    throw new RivuletError('INVALID_FILE', `The file "${filename}" does not hold its tensor`, {
      file: this.file,
      tensor: name,
      expected: `${length} bytes for [${shape.join(', ')}]`,
      found: `${bytes.length}`,
    });
  }

  /** Layer k, whose kernel is [inputs + hidden, 4 * hidden]. */
  async cell(k: number, inputs: number): Promise<{ hidden: number; cell: CellWeights }> {
    const path = `rnnlm/multi_rnn_cell/cell_${k}/basic_lstm_cell`;
    const old = this.manifest.has(`${path}/weights`);
    const kernel = await this.read(`${path}/${old ? 'weights' : 'kernel'}`);
    const bias = await this.read(`${path}/${old ? 'biases' : 'bias'}`);
    const hidden = Math.floor(bias.shape[0] / 4);
    const rows = 4 * hidden;
    this.expect(bias, [rows]);
    this.expect(kernel, [inputs + hidden, rows]);
    const [values, biases] = [toFloat32(kernel), toFloat32(bias)];
    const column = (row: number) => GATES[Math.floor(row / hidden)] * hidden + (row % hidden);
    const part = (from: number, width: number): Tensor => {
      const at = (i: number) => values[(from + (i % width)) * rows + column(Math.floor(i / width))];
      return floatTensor(
        'weight',
        Float32Array.from({ length: rows * width }, (_, i) => at(i)),
        [rows, width],
      );
    };
    const forget = Float32Array.from({ length: rows }, (_, row) => (Math.floor(row / hidden) === 1 ? FORGET_BIAS : 0));
    return {
      hidden,
      cell: {
        weightIh: part(0, inputs),
        weightHh: part(inputs, hidden),
        biasIh: floatTensor(
          'bias',
          biases.map((_, row) => biases[column(row)]),
          [rows],
        ),
        biasHh: floatTensor('bias', forget, [rows]),
      },
    };
  }

  expect(tensor: Tensor, shape: readonly number[]): Tensor {
    if (tensor.shape.join() === shape.join()) return tensor;
    throw new RivuletError('INVALID_FILE', 'A tensor does not fit those before it', {
      file: this.file,
      tensor: tensor.name,
      expected: `[${shape.join(', ')}]`,
      found: `[${tensor.shape.join(', ')}]`,
    });
  }

  end(): void {
    if (this.manifest.has(UNUSED)) this.manifest.get(UNUSED, 'an object');
    this.manifest.end();
  }
}

/** Characters by token, from an object of tokens by character. */
function readVocabulary(bytes: Uint8Array, size: number, file: string | undefined): string[] {
  const wrong = (expected: string, found: string) =>
    new RivuletError('INVALID_FILE', `${VOCABULARY} is not the model's vocabulary`, { file, expected, found });
  const text = decodeUtf8(bytes);
  if (text === undefined) throw wrong('UTF-8', 'other bytes');
  const tokens = new Fields(parseJson(text, VOCABULARY, file), VOCABULARY, file);
  const characters: string[] = [];
  for (const character of tokens.keys()) {
    const token = tokens.count(character);
    if (token >= size || token in characters) throw wrong(`each of 0 to ${size - 1} once`, `${token}`);
    characters[token] = character;
  }
  const missing = Array.from({ length: size }, (_, token) => token).find((token) => !(token in characters));
  if (missing === undefined) return characters;
  throw wrong(`${size} characters`, `none for token ${missing}`);
}
