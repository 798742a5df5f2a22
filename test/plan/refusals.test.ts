import { describe, expect, it } from 'vitest';
import { type ErrorCode, RivuletError } from '../../src/errors.js';
import type { Graph, GraphNode, Tensor, ValueInfo } from '../../src/graph/graph.js';
import { makePlan } from '../../src/plan/plan.js';
import { cell, floats, graphOf, integers, node, value } from '../support/graphs.js';

/** x [T, N, ...] through nodes to y. */
const graph = (x: ValueInfo['shape'], y: ValueInfo['shape'], nodes: GraphNode[], tensors: Tensor[] = []): Graph =>
  graphOf({ inputs: [value('x', x)], outputs: [value('y', y)], nodes, tensors });

function refusal(of: Graph): RivuletError {
  try {
    makePlan(of);
  } catch (error) {
    if (error instanceof RivuletError) return error;
    throw error;
  }
  throw new Error('it was planned');
}

const withAttributes = (attributes: GraphNode['attributes'], op: 'LSTM' | 'GRU' | 'RNN' = 'LSTM') =>
  cell({ op, inputs: 3, hidden: 4, attributes });

function replaced(of: Graph, tensor: Tensor): Graph {
  return { ...of, tensors: new Map([...of.tensors, [tensor.name, tensor]]) };
}

const lstm = () => cell({ op: 'LSTM', inputs: 3, hidden: 4 });
const T: Record<string, [ErrorCode, RegExp, Graph]> = {
  'an unknown operator': [
    'UNSUPPORTED_OPERATOR',
    /Fourier/,
    graph(['T', 'N', 4], ['T', 'N', 4], [node('Fourier', ['x'], 'y')]),
  ],
  'the operator that only the planner makes': [
    'UNSUPPORTED_OPERATOR',
    /Linear/,
    graph(
      ['T', 'N', 4],
      ['T', 'N', 4],
      [node('Linear', ['x', 'w'], 'y', { activation: 'constructor' })],
      [floats('w', [4, 4], { seed: 1 })],
    ),
  ],
  ...Object.fromEntries(
    ['Clip', 'Abs'].map((op) => [
      `${op} of integers`,
      [
        'UNSUPPORTED_OPERATOR',
        /node "y": (Clip|Abs): integers are not computed with, as "x": expected float32, found int64/,
        graphOf({
          inputs: [value('x', ['N', 2], 'int64')],
          outputs: [value('y', ['N', 2])],
          nodes: [node(op, ['x'], 'y')],
        }),
      ],
    ]),
  ),
  'an unknown attribute': ['UNSUPPORTED_ATTRIBUTE', /zoneout.*0\.1/, withAttributes({ zoneout: 0.1 })],
  'an attribute of the wrong type': ['UNSUPPORTED_ATTRIBUTE', /hidden_size/, withAttributes({ hidden_size: 'four' })],
  'an attribute of the wrong type on a function that would be fused': [
    'UNSUPPORTED_ATTRIBUTE',
    /alpha/,
    graph(
      ['T', 'N', 4],
      ['T', 'N', 2],
      [node('MatMul', ['x', 'w'], 'p'), node('Elu', ['p'], 'y', { alpha: 'one' })],
      [floats('w', [4, 2], { seed: 1 })],
    ),
  ],
  'a layout that is none': ['UNSUPPORTED_ATTRIBUTE', /layout/, withAttributes({ layout: 7 })],
  'a hidden size that the weights have not': [
    'INVALID_GRAPH',
    /W has the wrong shape/,
    withAttributes({ hidden_size: 5 }),
  ],
  'a huge hidden size': ['INVALID_GRAPH', /W has the wrong shape/, withAttributes({ hidden_size: 2 ** 40 })],
  'recurrent weights of no units': [
    'INVALID_GRAPH',
    /./,
    replaced(
      replaced(replaced(lstm(), floats('W', [1, 0, 3], [])), floats('R', [1, 0, 0], [])),
      floats('B', [1, 0], []),
    ),
  ],
  'an activation that is none': [
    'UNSUPPORTED_ATTRIBUTE',
    /activations/,
    withAttributes({ activations: ['Sigmoid', 'Tanh', 'constructor'] }),
  ],
  'too few activations': ['UNSUPPORTED_ATTRIBUTE', /activations/, withAttributes({ activations: ['Sigmoid'] })],
  'a negative clip': ['UNSUPPORTED_ATTRIBUTE', /clip/, withAttributes({ clip: -1 })],
  'too many inputs': [
    'INVALID_GRAPH',
    /wrong number of inputs/,
    graph(['T', 'N', 4], ['T', 'N', 4], [node('Relu', ['x', 'x'], 'y')]),
  ],
  'too many outputs': [
    'INVALID_GRAPH',
    /more outputs/,
    graph(['T', 'N', 4], ['T', 'N', 4], [node('Relu', ['x'], ['y', 'z'])]),
  ],
  'an output whose declared shape is another': [
    'INVALID_GRAPH',
    /expected float32 \[T, N, 5\], as declared, found float32 \[T, N, 4\]/,
    graph(['T', 'N', 4], ['T', 'N', 5], [node('Relu', ['x'], 'y')]),
  ],
  'weights that are computed': [
    'UNSUPPORTED_OPERATOR',
    /W.*constant|constant/,
    graphOf({
      inputs: [value('x', ['T', 'N', 1]), value('W', [1, 1024, 1]), value('R', [1, 1024, 256])],
      outputs: [value('y', ['T', 1, 'N', 256])],
      nodes: [node('LSTM', ['x', 'W', 'R'], 'y')],
    }),
  ],
  'a row of too many numbers': [
    'LIMIT_EXCEEDED',
    /numbers/,
    graph(['T', 'N', 2 ** 31], ['T', 'N', 2 ** 31], [node('Add', ['x', 'one'], 'y')], [floats('one', [1], [1])]),
  ],
  'rows whose size is beyond numbers': [
    'LIMIT_EXCEEDED',
    /numbers/,
    graph([2 ** 50, 2 ** 50], [2 ** 50, 2 ** 50], [node('Relu', ['x'], 'y')]),
  ],
  'several sequences in a fixed batch': [
    'UNSUPPORTED_OPERATOR',
    /\[T, N, 3\]/,
    { ...lstm(), inputs: [value('x', ['T', 2, 3])], outputs: [value('y', ['T', 1, 2, 4])] },
  ],
  'several steps of a fixed length': [
    'UNSUPPORTED_OPERATOR',
    /\[T, N, 3\]/,
    { ...lstm(), inputs: [value('x', [5, 'N', 3])], outputs: [value('y', [5, 1, 'N', 4])] },
  ],
  'tokens where floats are needed': [
    'UNSUPPORTED_OPERATOR',
    /int64/,
    graphOf({
      inputs: [value('x', ['T', 'N'], 'int64')],
      outputs: [value('y', ['T', 'N'], 'int64')],
      nodes: [node('Relu', ['x'], 'y')],
    }),
  ],
  'tokens beside floats': [
    'INVALID_GRAPH',
    /int64/,
    graphOf({
      inputs: [value('x', ['T', 'N', 2]), value('ids', ['T', 'N', 2], 'int64')],
      outputs: [value('y', ['T', 'N', 4])],
      nodes: [node('Concat', ['x', 'ids'], 'y', { axis: -1 })],
    }),
  ],
  'tokens into a product': [
    'UNSUPPORTED_OPERATOR',
    /int64/,
    graphOf({
      inputs: [value('x', ['T', 'N', 2], 'int64')],
      outputs: [value('y', ['T', 'N', 3])],
      nodes: [node('MatMul', ['x', 'w'], 'y')],
      tensors: [floats('w', [2, 3], { seed: 1 })],
    }),
  ],
  'tokens into a cell': ['UNSUPPORTED_OPERATOR', /int64/, { ...lstm(), inputs: [value('x', ['T', 'N', 3], 'int64')] }],
  'half numbers that come out': [
    'UNSUPPORTED_OPERATOR',
    /an output of this type/,
    graphOf({
      inputs: [value('x', ['T', 'N'])],
      outputs: [value('y', ['T', 'N'], 'float16')],
      nodes: [node('Identity', ['x'], 'y')],
    }),
  ],
  'a cell that reads only the last state of a sequence': [
    'UNSUPPORTED_OPERATOR',
    /last step/,
    graphOf({
      inputs: [value('x', ['T', 'N', 4])],
      outputs: [value('y', [1, 1, 'N', 4])],
      nodes: [node('RNN', ['x', 'W', 'R'], ['', 'h']), node('RNN', ['h', 'W', 'R'], 'y')],
      tensors: [floats('W', [1, 4, 4], { seed: 1 }), floats('R', [1, 4, 4], { seed: 2 })],
    }),
  ],
  'the last state beside every step': [
    'UNSUPPORTED_OPERATOR',
    /last step/,
    graphOf({
      inputs: [value('x', ['T', 'N', 4])],
      outputs: [value('y', ['T', 1, 'N', 4])],
      nodes: [
        node('RNN', ['x', 'W', 'R'], ['all', 'h']),
        node('Relu', ['h'], 'last'),
        node('Add', ['all', 'last'], 'y'),
      ],
      tensors: [floats('W', [1, 4, 4], { seed: 1 }), floats('R', [1, 4, 4], { seed: 2 })],
    }),
  ],
  'T along another axis of the other operand': [
    'INVALID_GRAPH',
    /T/,
    graphOf({
      inputs: [value('x', ['T', 1]), value('z', ['T'])],
      outputs: [value('y', ['T', 'T'])],
      nodes: [node('Add', ['x', 'z'], 'y')],
    }),
  ],
  'a reshape that mixes sequences': [
    'UNSUPPORTED_OPERATOR',
    /Reshape/,
    graph(
      ['T', 1, 'N', 4],
      ['T', 2, 'N', 2],
      [node('Reshape', ['x', 'shape'], 'y')],
      [integers('shape', [0, 2, 0, 2])],
    ),
  ],
  'a reshape to a fraction': [
    'UNSUPPORTED_OPERATOR',
    /Reshape/,
    graph(['T', 'N', 5], ['T', 'N', 2, 2], [node('Reshape', ['x', 'shape'], 'y')], [integers('shape', [0, 0, -1, 2])]),
  ],
  'a reshape with two unknowns': [
    'INVALID_GRAPH',
    /Reshape/,
    graph([4], [4, 1], [node('Reshape', ['x', 'shape'], 'y')], [integers('shape', [-1, -1])]),
  ],
  'a reshape to negative lengths': [
    'INVALID_GRAPH',
    /Reshape/,
    graph([4], [2, 2], [node('Reshape', ['x', 'shape'], 'y')], [integers('shape', [-2, -2])]),
  ],
  'an axis given twice': [
    'INVALID_GRAPH',
    /Unsqueeze/,
    graph(['T', 'N'], [1, 'T', 'N', 1], [node('Unsqueeze', ['x', 'axes'], 'y')], [integers('axes', [0, 0])]),
  ],
  'an embedding of nothing': [
    'INVALID_GRAPH',
    /Gather/,
    graphOf({
      inputs: [value('x', ['T', 'N'], 'int64')],
      outputs: [value('y', ['T', 'N', 1])],
      nodes: [node('Gather', ['table', 'x'], 'y')],
      tensors: [floats('table', [5, 0], [])],
    }),
  ],
  'a bias along the rows': [
    'INVALID_GRAPH',
    /bias/,
    graph(
      ['T', 'N', 3],
      ['T', 'N', 2],
      [node('Gemm', ['x', 'w', 'c'], 'y', { alpha: 2 })],
      [floats('w', [3, 2], { seed: 1 }), floats('c', [2, 1], { seed: 2 })],
    ),
  ],
  'an initial state of the wrong size': [
    'INVALID_GRAPH',
    /initial state/,
    graphOf({
      inputs: [value('x', ['T', 'N', 4])],
      outputs: [value('y', ['T', 1, 'N', 4])],
      nodes: [node('RNN', ['x', 'W', 'R', '', '', 'h'], 'y')],
      tensors: [
        floats('W', [1, 4, 4], { seed: 1 }),
        floats('R', [1, 4, 4], { seed: 2 }),
        floats('h', [1, 1, 3], { seed: 2 }),
      ],
    }),
  ],
  'a state whose shape is not its next value’s': [
    'INVALID_GRAPH',
    /s\+/,
    graphOf({
      inputs: [value('x', [1, 4])],
      outputs: [value('y', [1, 4])],
      nodes: [node('Add', ['x', 's'], 's+'), node('Relu', ['s+'], 'y')],
      states: [{ input: 's', output: 's+', type: 'float32', shape: [1, 1] }],
    }),
  ],
  'a state of its own in a graph that needs the future': [
    'UNSUPPORTED_OPERATOR',
    /whole sequences/,
    graphOf({
      inputs: [value('x', ['T', 'N', 4])],
      outputs: [value('y', ['T', 1, 'N', 4]), value('z', [1, 'N', 4])],
      nodes: [node('RNN', ['x', 'W', 'R'], ['y', 'h'], { direction: 'reverse' }), node('Add', ['h', 's'], 'z')],
      tensors: [floats('W', [1, 4, 4], { seed: 1 }), floats('R', [1, 4, 4], { seed: 2 })],
      states: [{ input: 's', output: 'z', type: 'float32', shape: [1, 'N', 4] }],
    }),
  ],
};

describe('what can’t be run faithfully is refused by name', () => {
  it.each(Object.entries(T))('%s', (_, [code, message, of]) => {
    const error = refusal(of);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    // Somebody must be able to find it.
    expect(error.node ?? error.tensor).toBeDefined();
  });
});
