import { RivuletError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import { buildGraph } from '../chain/build.js';
import type { CellType, Recurrent, Step } from '../chain/layers.js';
import { Fields } from '../fields.js';
import type { JsonObject } from '../json.js';
import { modelName } from '../names.js';
import type { ArchitectureLayer } from './architecture.js';
import { tensorsOf } from './json.js';
import { stepsOf } from './listed.js';

/** What a recurrent block and the Linear behind it say of themselves. */
interface Block {
  type: CellType;
  /** Names of the two in the state dict. */
  cell: string;
  head: string;
  inputs: number;
  hidden: number;
  outputs: number;
  layers: number;
  /** How many of the inputs are added to the output. */
  skip: number;
}

const CELLS: readonly CellType[] = ['LSTM', 'GRU', 'RNN'];

/**
 * Reads the JSON of Automated-GuitarAmpModelling: a SimpleRNN, or a RecNet of one block; a recurrent module, a Linear, and
 * the input added to what they give. x [T, N, I] -> y [T, N, O].
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `UNSUPPORTED_OPERATOR` for another kind of network, `INVALID_FILE` where the sizes it declares are
 *   not those of its weights or a key is unknown.
 */
export function readGuitarAmp(json: JsonObject, file?: string): Graph {
  const model = new Fields(json, 'model', file);
  const data = model.fields('model_data');
  const kind = data.text('model');
  if (kind !== 'SimpleRNN' && kind !== 'RecNet') {
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'A network that is not read', {
      file,
      expected: 'SimpleRNN or RecNet',
      found: kind.slice(0, 100),
    });
  }
  const block = kind === 'SimpleRNN' ? simple(data) : recNet(data, model, file);
  data.end();
  const tensors = tensorsOf(model.fields('state_dict'), file);
  if (model.has('training_info')) model.get('training_info', 'an object');
  model.end();

  const layers: ArchitectureLayer[] = [
    block.type === 'RNN'
      ? { type: 'RNN', prefix: block.cell, nonlinearity: 'tanh' }
      : { type: block.type, prefix: block.cell },
    { type: 'Linear', prefix: block.head },
    ...(block.skip > 0 ? [{ type: 'Skip' as const, inputs: block.skip }] : []),
  ];
  const steps = stepsOf({ layers }, tensors, file);
  checkSizes(steps, block, file);
  return buildGraph(steps, modelName(file), {}, file);
}

function simple(data: Fields): Block {
  // Whether the Linear has a bias shows in the weights.
  data.get('bias_fl', 'true or false');
  return {
    type: cellOf(data, 'unit_type'),
    cell: 'rec',
    head: 'lin',
    inputs: data.count('input_size'),
    hidden: data.count('hidden_size'),
    outputs: data.count('output_size'),
    layers: data.count('num_layers'),
    skip: data.count('skip'),
  };
}

function recNet(data: Fields, model: Fields, file: string | undefined): Block {
  const blocks = model.fields(model.has('blocks') ? 'blocks' : 'layers');
  const around = data.count('skip');
  if ([...blocks.keys()].join() !== '0' || around !== 0) {
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'A RecNet of several blocks, or with a skip around them', {
      file,
      expected: 'one block, "0"',
      found: `blocks ${[...blocks.keys()].slice(0, 8).join(', ')}; skip ${around}`,
    });
  }
  const block = blocks.fields('0');
  if (block.has('lin_bias')) block.get('lin_bias', 'true or false');
  const outputs = block.count('output_size');
  const read: Block = {
    type: cellOf(block, block.has('block_type') ? 'block_type' : 'layer_name'),
    cell: 'layers.block_1.rec',
    head: 'layers.block_1.lin',
    inputs: block.count('input_size'),
    hidden: block.count('hidden_size'),
    outputs,
    layers: block.has('num_layers') ? block.count('num_layers') : 1,
    // Any skip but 0 adds as many inputs as there are outputs, and there is one unless the block says 0.
    skip: !block.has('skip') || block.count('skip') > 0 ? outputs : 0,
  };
  block.end();
  return read;
}

function cellOf(fields: Fields, key: string): CellType {
  const type = CELLS.find((cell) => cell === fields.text(key));
  if (type) return type;
  throw fields.wrong(key, CELLS.join(', '), fields.text(key));
}

function checkSizes(steps: readonly Step[], block: Block, file: string | undefined): void {
  const layer = (steps[0] as { layer: Recurrent }).layer;
  const [outputs] = (steps[1] as { layer: { weight: { shape: number[] } } }).layer.weight.shape;
  const expected = [block.inputs, block.hidden, block.layers, block.outputs].join(', ');
  const found = [layer.inputs, layer.hidden, layer.layers.length, outputs].join(', ');
  if (found === expected && layer.directions === 1) return;
  throw new RivuletError('INVALID_FILE', 'The weights are not those of the sizes declared', {
    file,
    expected: `inputs, hidden, layers, outputs ${expected}`,
    found,
  });
}
