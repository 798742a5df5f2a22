import { TIME } from '../../../graph/graph.js';
import type { Json } from '../../json.js';
import { resolve } from '../../lengths.js';
import type { Config } from '../config.js';
import { entryOf } from '../entry.js';
import { type Apply, type Layer, type LayerReader, type ModelContext, only, refuseMask, wrongRank } from '../layer.js';
import type { WeightScope } from '../weights.js';
import type { Value } from '../writer.js';
import { type Cell, cellOf, readCell, runCell } from './cells.js';

/** LSTM, GRU, SimpleRNN, their CuDNN forms, RNN around one cell or a stack of them, and Bidirectional. */

/** A recurrent layer, which runs in either direction. */
interface Recurrent {
  config: Config;
  cells: Cell[];
  sequences: boolean;
  states: boolean;
  backwards: boolean;
  batchFirst: boolean;
}

/** What a run gives. A sequence is in the order of its input, whatever the direction. */
interface Result {
  output: Value;
  states: Value[];
}

function readRecurrent(config: Config, weights: WeightScope, model: ModelContext): Recurrent {
  const recurrent = {
    config,
    sequences: config.boolean('return_sequences', false),
    states: config.boolean('return_state', false),
    backwards: config.boolean('go_backwards', false),
    batchFirst: !config.boolean('time_major', false),
  };
  // How it is computed, and what a stream does anyway: it keeps its state.
  config.ignore('stateful', 'unroll', 'use_cudnn', 'input_length', 'zero_output_for_mask');
  // Keras 3 keeps a layer's weights in its cell; in a list that is the same.
  const scope = weights.part('cell');
  const cells = config.className === 'RNN' ? readCells(config, scope, model) : [readCell(config, scope, model)];
  config.end();
  return { ...recurrent, cells };
}

/** The cell of an RNN layer, or the cells of a stack. */
function readCells(config: Config, scope: WeightScope, model: ModelContext): Cell[] {
  const cell = entryOf(config.get('cell'), config);
  // TensorFlow.js writes what is in the cell's config into the layer's as well.
  if (cell.raw instanceof Map) config.ignoreCopies(cell.raw);
  const read = (json: Json, own: WeightScope): Cell => {
    const entry = entryOf(json, config);
    if (!cellOf(entry.className) || !entry.className.endsWith('Cell')) {
      const expected = 'LSTMCell, GRUCell, SimpleRNNCell, or StackedRNNCells of these';
      throw config.fail('UNSUPPORTED_OPERATOR', 'RNN: "cell"', { expected, found: entry.className });
    }
    const inner = entry.configFor(`${config.layer}.${entry.name}`);
    const made = readCell(inner, own, model);
    inner.end();
    return made;
  };
  if (cell.className !== 'StackedRNNCells') return [read(config.get('cell')!, scope)];
  const inner = cell.configFor(config.layer);
  const list = inner.get('cells');
  inner.only('reverse_state_order', false);
  inner.end();
  if (!Array.isArray(list) || list.length === 0) throw config.wrong('cell', 'a list of cells', list);
  const scopes = scope.cells(list.map((json) => entryOf(json, config).id));
  return list.map((json, i) => read(json, scopes[i]));
}

function run(
  layer: Recurrent,
  x: Value,
  initial: Value[],
  name: string,
  backwards: boolean,
  model: ModelContext,
): Result {
  const { config, cells, batchFirst } = layer;
  if (x.shape.length !== 3) throw wrongRank(x, config, '3 axes: batch, time, features');
  refuseMask(x, config, model);
  if (initial.length > 0 && (cells.length > 1 || initial.length !== cells[0].states)) {
    throw config.fail('UNSUPPORTED_OPERATOR', `${config.className}: initial states`, {
      expected: cells.length > 1 ? 'none for a stack of cells' : `${cells[0].states}`,
      found: `${initial.length}`,
    });
  }
  let sequence = x;
  const states: Value[] = [];
  for (const [i, cell] of cells.entries()) {
    const last = i === cells.length - 1;
    const result = runCell(
      cell,
      sequence,
      {
        base: cells.length > 1 ? `${name}.${i}` : name,
        batchFirst,
        backwards,
        sequence: !last || layer.sequences,
        initial,
      },
      model,
    );
    sequence = result.sequence;
    states.push(...result.states);
    if (last && !layer.sequences) return { output: result.states[0], states };
  }
  return { output: sequence, states };
}

/** A sequence in the order in which a layer that goes backwards gives it: the last step first. */
function reversed(x: Value, name: string, { graph }: ModelContext): Value {
  const axis = x.shape.findIndex((length) => {
    const known = resolve(length);
    return typeof known !== 'number' && known.role === TIME;
  });
  const [starts, ends, axes, steps] = [[-1], [-(2 ** 31)], [axis], [-1]].map((values, i) =>
    graph.integers(`${name}.reverse.${['starts', 'ends', 'axes', 'steps'][i]}`, values),
  );
  return { ...x, name: graph.node('Slice', [x.name, starts, ends, axes, steps], `${name}.reverse`) };
}

const recurrent: LayerReader = ({ config, weights, model }) => {
  const layer = readRecurrent(config, weights, model);
  return ([x, ...states], { name, lead, initial }) => {
    refuseDistributed(config, lead);
    const given = initial.length > 0 ? initial : states;
    const result = run(layer, x, given, name, layer.backwards, model);
    const output = layer.backwards && layer.sequences ? reversed(result.output, name, model) : result.output;
    return layer.states ? [output, ...result.states] : [output];
  };
};

const bidirectional: LayerReader = ({ config, weights, model }: Layer): Apply => {
  const entry = entryOf(config.get('layer'), config);
  const merge = config.isNull('merge_mode') ? undefined : config.text('merge_mode', 'concat');
  const read = (json: Json, part: 'forward_layer' | 'backward_layer') => {
    const { className, configFor } = entryOf(json, config);
    const inner = configFor(`${config.layer}.${part.replace('_layer', '')}`);
    if (className !== 'RNN' && !cellOf(className)) {
      throw config.fail('UNSUPPORTED_OPERATOR', 'Bidirectional: "layer"', {
        expected: 'LSTM, GRU, SimpleRNN or RNN',
        found: className,
      });
    }
    return readRecurrent(inner, weights.part(part), model);
  };
  const forward = read(entry.json, 'forward_layer');
  const second = config.get('backward_layer');
  const backward = read(second ?? entry.json, 'backward_layer');
  const backwards = second === undefined ? !forward.backwards : backward.backwards;
  if (
    backward.sequences !== forward.sequences ||
    backward.states !== forward.states ||
    backwards === forward.backwards
  ) {
    throw config.wrong('backward_layer', 'the same layer in the other direction', second);
  }
  config.ignore('return_sequences', 'return_state', 'stateful', 'go_backwards', 'num_constants', 'implementation');
  config.end();
  return (inputs, { name, lead, initial }) => {
    refuseDistributed(config, lead);
    const x = only([...inputs, ...initial], config);
    const one = run(forward, x, [], `${name}.forward`, forward.backwards, model);
    const two = run(backward, x, [], `${name}.backward`, backwards, model);
    // The second is turned round to stand beside the first, which is in the order in which it went.
    const turn = (value: Value) => (forward.sequences && forward.backwards ? reversed(value, name, model) : value);
    const states = forward.states ? [...one.states, ...two.states] : [];
    if (merge === undefined) return [turn(one.output), turn(two.output), ...states];
    return [turn(merged(one.output, two.output, merge, name, config, model)), ...states];
  };
};

function merged(a: Value, b: Value, mode: string, name: string, config: Config, { graph }: ModelContext): Value {
  const both = [a.name, b.name];
  if (mode === 'concat') {
    const width = 2 * (a.shape.at(-1) as number);
    return {
      ...a,
      name: graph.node('Concat', both, `${name}.concat`, { axis: -1 }),
      shape: [...a.shape.slice(0, -1), width],
    };
  }
  if (mode === 'mul') return { ...a, name: graph.node('Mul', both, `${name}.mul`) };
  if (mode !== 'sum' && mode !== 'ave') throw config.unsupported('merge_mode', 'concat, sum, mul, ave or null', mode);
  const sum = graph.node('Add', both, `${name}.sum`);
  if (mode === 'sum') return { ...a, name: sum };
  return { ...a, name: graph.node('Mul', [sum, graph.floats(`${name}.half`, [0.5])], `${name}.ave`) };
}

function refuseDistributed(config: Config, lead: number): void {
  if (lead === 1) return;
  throw config.fail('UNSUPPORTED_OPERATOR', `${config.className} inside TimeDistributed`, {
    expected: 'a layer that looks at one step',
  });
}

export const recurrentLayers: Readonly<Record<string, LayerReader>> = {
  LSTM: recurrent,
  GRU: recurrent,
  SimpleRNN: recurrent,
  LSTMV1: recurrent,
  LSTMV2: recurrent,
  GRUV1: recurrent,
  GRUV2: recurrent,
  CuDNNLSTM: recurrent,
  CuDNNGRU: recurrent,
  RNN: recurrent,
  Bidirectional: bidirectional,
};
