import { describe, expect, it } from 'vitest';
import { RivuletError } from '../../src/errors.js';
import { checkGraph, GRAPH_LIMITS } from '../../src/graph/check.js';
import type { Graph, GraphNode, Tensor } from '../../src/graph/graph.js';

function node(name: string, inputs: string[], outputs: string[] = [name], op = 'Add'): GraphNode {
  return { name, op, inputs, outputs, attributes: {} };
}

function tensor(name: string, shape = [2]): Tensor {
  const length = shape.reduce((product, dim) => product * dim, 4);
  return { name, type: 'float32', shape, bytes: new Uint8Array(length) };
}

/** x + w = y, with whatever is given instead. */
function graph(parts: Partial<Graph> = {}): Graph {
  return {
    name: 'test',
    inputs: [{ name: 'x', type: 'float32', shape: ['T', 'N', 2] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['T', 'N', 2] }],
    states: [],
    nodes: [node('y', ['x', 'w'])],
    tensors: new Map([['w', tensor('w')]]),
    metadata: {},
    ...parts,
  };
}

function order(nodes: GraphNode[], parts: Partial<Graph> = {}): string[] {
  return checkGraph(graph({ nodes, ...parts })).map(({ name }) => name);
}

describe('checkGraph', () => {
  it('keeps an order that runs already', () => {
    const nodes = [node('a', ['x', 'w']), node('b', ['x', '']), node('c', ['a']), node('y', ['b', 'c'])];
    expect(order(nodes)).toEqual(['a', 'b', 'c', 'y']);
  });

  it('puts each node after those it reads from', () => {
    const nodes = [node('y', ['c', 'b']), node('c', ['a']), node('b', ['x']), node('a', ['w', 'x'])];
    expect(order(nodes)).toEqual(['a', 'c', 'b', 'y']);
  });

  it('sorts a chain too long for recursion', () => {
    const length = 16_000;
    const nodes = Array.from({ length }, (_, i) => node(i === 0 ? 'y' : `n${i}`, [i + 1 < length ? `n${i + 1}` : 'x']));
    expect(order(nodes)[0]).toBe(`n${length - 1}`);
  });

  it('accepts states, also where a node reads its own previous output', () => {
    const states = [{ input: 'before', output: 'y', type: 'float32' as const, shape: [2], initial: 'w' }];
    expect(order([node('y', ['x', 'before'])], { states })).toEqual(['y']);
  });

  it.each<[string, string, RegExp, Partial<Graph>]>([
    [
      'a node name given twice',
      'INVALID_GRAPH',
      /node "y".*Two nodes/,
      { nodes: [node('y', ['x']), node('y', ['w'], ['z'])] },
    ],
    [
      'a value made by two nodes',
      'INVALID_GRAPH',
      /made twice.*node "y" and .*node "z"/,
      { nodes: [node('y', ['x']), node('z', ['w'], ['y'])] },
    ],
    [
      'a value that is input and tensor',
      'INVALID_GRAPH',
      /a tensor and a graph input/,
      { tensors: new Map([['x', tensor('x')]]) },
    ],
    ['a node that makes an input', 'INVALID_GRAPH', /made twice/, { nodes: [node('y', ['w'], ['y', 'x'])] }],
    ['a value that nobody makes', 'INVALID_GRAPH', /node "y".*nobody makes.*"z"/, { nodes: [node('y', ['z'])] }],
    ['an output that nobody makes', 'INVALID_GRAPH', /"y".*nobody makes/, { nodes: [node('z', ['x', 'w'])] }],
    ['no outputs', 'INVALID_GRAPH', /no outputs/, { outputs: [] }],
    [
      'a node that makes nothing',
      'INVALID_GRAPH',
      /Makes no value/,
      { nodes: [node('y', ['x']), node('z', ['x'], [''])] },
    ],
    ['a node without operator', 'INVALID_GRAPH', /no operator/, { nodes: [node('y', ['x'], ['y'], '')] }],
    ['a node without name', 'INVALID_GRAPH', /Node 0 has no name/, { nodes: [node('', ['x'], ['y'])] }],
    [
      'an unknown element type',
      'INVALID_GRAPH',
      /element type.*"float31"/,
      { inputs: [{ name: 'x', type: 'float31' as never, shape: [] }] },
    ],
    ['a dim of zero', 'INVALID_GRAPH', /Not a dim.*found 0/, { inputs: [{ name: 'x', type: 'float32', shape: [0] }] }],
    ['a fractional dim', 'INVALID_GRAPH', /Not a dim/, { inputs: [{ name: 'x', type: 'float32', shape: [1.5] }] }],
    [
      'a dim that is no symbol',
      'INVALID_GRAPH',
      /Not a dim/,
      { inputs: [{ name: 'x', type: 'float32', shape: ['2T'] }] },
    ],
    [
      'a tensor whose bytes do not fit',
      'INVALID_GRAPH',
      /expected 8 bytes, found 4/,
      { tensors: new Map([['w', { ...tensor('w'), bytes: new Uint8Array(4) }]]) },
    ],
    [
      'a tensor under another name',
      'INVALID_GRAPH',
      /filed under another name/,
      { tensors: new Map([['w', tensor('v')]]) },
    ],
    [
      'a state whose output nobody makes',
      'INVALID_GRAPH',
      /made by no node/,
      { states: [{ input: 's', output: 'z', type: 'float32', shape: [2] }] },
    ],
    [
      'a state whose output is constant',
      'INVALID_GRAPH',
      /made by no node/,
      { states: [{ input: 's', output: 'w', type: 'float32', shape: [2] }] },
    ],
    [
      'a state whose input is an input',
      'INVALID_GRAPH',
      /a graph input and a state input/,
      { states: [{ input: 'x', output: 'y', type: 'float32', shape: [2] }] },
    ],
    [
      'a state that begins as no tensor',
      'INVALID_GRAPH',
      /is no tensor/,
      { states: [{ input: 's', output: 'y', type: 'float32', shape: [2], initial: 'x' }] },
    ],
    [
      'a state that begins in another shape',
      'INVALID_GRAPH',
      /expected float32 \[1, N = 1, 2\], found float32 \[2\]/,
      { states: [{ input: 's', output: 'y', type: 'float32', shape: [1, 'N', 2], initial: 'w' }] },
    ],
    [
      'too many axes',
      'LIMIT_EXCEEDED',
      /at most 8/,
      { inputs: [{ name: 'x', type: 'float32', shape: Array(9).fill(1) }] },
    ],
    [
      'a long name',
      'LIMIT_EXCEEDED',
      /characters in a name/,
      { nodes: [node('y', ['x'], ['y', 'z'.repeat(GRAPH_LIMITS.nameLength + 1)])] },
    ],
    [
      'too many nodes',
      'LIMIT_EXCEEDED',
      /Too many nodes/,
      { nodes: Array(GRAPH_LIMITS.nodes + 1).fill(node('y', ['x'])) },
    ],
  ])('refuses %s', (_, code, message, parts) => {
    const error = refusal(() => checkGraph(graph(parts), 'some.file'));
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ code, file: 'some.file' });
  });

  it('names the nodes of a cycle in the order of the data', () => {
    const nodes = [node('y', ['c']), node('a', ['x', 'c']), node('b', ['a']), node('c', ['b'])];
    expect(refusal(() => order(nodes)).found).toBe('"c" -> "a" -> "b" -> "c"');
    expect(refusal(() => order([node('y', ['x', 'y'])])).found).toBe('"y" -> "y"');
  });
});

function refusal(action: () => unknown): RivuletError {
  try {
    action();
  } catch (error) {
    if (error instanceof RivuletError) return error;
    throw error;
  }
  throw new Error('was accepted');
}
