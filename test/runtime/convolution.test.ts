import { describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import type { GraphNode } from '../../src/graph/graph.js';
import { loadModel } from '../../src/index.js';
import { floats, graphOf, node, value } from '../support/graphs.js';

type Shape = (number | string)[];

/** By hand: what the equations of ONNX's Conv and ConvTranspose give. */
describe('a convolution whose image is as large as what is laid out of it, and lies otherwise', () => {
  it.each<[string, string, Shape, Shape, number[], number[], GraphNode['attributes'], number[], number[]]>([
    [
      'padded in front',
      'Conv',
      ['N', 1, 4],
      ['N', 1, 2],
      [1, 1, 1],
      [1],
      { strides: [3], pads: [1, 1] },
      [1, 2, 3, 4],
      [0, 3],
    ],
    [
      'cut off in front',
      'ConvTranspose',
      ['N', 1, 3],
      ['N', 1, 2],
      [1, 1, 2],
      [1, 10],
      { pads: [0, 2] },
      [1, 2, 3],
      [1, 12],
    ],
    ['of one place', 'Conv', ['N', 2, 1], ['N', 1, 1], [1, 2, 1], [1, 10], { strides: [3], pads: [1, 1] }, [1, 2], [0]],
    [
      'padded on two sides',
      'Conv',
      ['N', 1, 1, 6],
      ['N', 1, 1, 3],
      [1, 1, 1, 2],
      [1, 10],
      { strides: [3, 2], pads: [1, 0, 0, 1] },
      [1, 2, 3, 4, 5, 6],
      [0, 0, 0],
    ],
  ])('%s', async (_, op, shape, made, kernel, weights, attributes, x, expected) => {
    const graph = graphOf({
      inputs: [value('x', shape)],
      outputs: [value('y', made)],
      nodes: [node(op, ['x', 'w'], 'y', attributes)],
      tensors: [floats('w', kernel, weights)],
    });
    const model = await loadModel(writeNative(graph));
    const given = { data: x, shape: shape.map((dim) => (typeof dim === 'string' ? 1 : dim)) };
    expect([...model.run({ x: given }).y.data]).toEqual(expected);
  });

  it.each<[string, number, number[], GraphNode['attributes'], number[], number[]]>([
    [
      'of two columns',
      2,
      [1, 10, 100, 1000],
      { strides: [1, 2], pads: [1, 0, 0, 0] },
      [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6],
      [1010, 3131, 5353],
    ],
    ['padded at its left', 1, [1, 10], { strides: [1, 3], pads: [1, 1, 0, 0] }, [1, 2, 3, 4, 5, 6], [0, 0, 0]],
  ])('along time, %s', async (_, channels, weights, attributes, x, expected) => {
    const graph = graphOf({
      inputs: [value('x', ['N', channels, 'T', 2])],
      outputs: [value('y', ['N', 1, 'T', 1])],
      nodes: [node('Conv', ['x', 'w'], 'y', attributes)],
      tensors: [floats('w', [1, channels, 2, 1], weights)],
    });
    const model = await loadModel(writeNative(graph));
    expect([...model.run({ x: { data: x, shape: [1, channels, 3, 2] } }).y.data]).toEqual(expected);
    const stream = model.createStream();
    const steps = [0, 1, 2].map((t) => {
      const row = Array.from({ length: channels }, (_, c) => x.slice((c * 3 + t) * 2, (c * 3 + t) * 2 + 2)).flat();
      return stream.step(row)[0];
    });
    expect(steps).toEqual(expected);
  });
});

describe('tokens in a Float32Array', () => {
  it.each([16, 17, 40])('are numbers, %i a row too', async (width) => {
    const graph = graphOf({
      inputs: [value('t', ['T', 'N', width], 'int64')],
      outputs: [value('y', ['T', 'N', width, 1])],
      nodes: [node('Gather', ['table', 't'], 'y')],
      tensors: [floats('table', [10, 1], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])],
    });
    const model = await loadModel(writeNative(graph));
    const tokens = Float32Array.from({ length: width }, (_, i) => (3 * i) % 10);
    expect(model.createStream().step(tokens)).toEqual(tokens);
    expect(model.createStream().run(tokens)).toEqual(tokens);
    expect(model.stepMany([model.createStream()], tokens)).toEqual(tokens);
  });
});
