import { describe, expect, it } from 'vitest';
import { parseModel } from '../../../src/formats/onnx/model.js';
import { toGraph } from '../../../src/formats/onnx/to-graph.js';
import { writeNative } from '../../../src/formats/safetensors/write-native.js';
import { loadModel } from '../../../src/index.js';
import { type ModelSpec, model, node, subgraph, tensor, value } from './writer.js';

const load = (spec: ModelSpec) => loadModel(model(spec), { name: 'test.onnx' });

/** state' = half * state + x, and what leaves is its square: over [N, T, 2], the time in the middle. */
const leaky = (over: Partial<ModelSpec> = {}, inputs = ['start', 'x'], attributes = {}): ModelSpec => ({
  inputs: [value('x', ['batch', 'time', 2])],
  outputs: [value('y', undefined)],
  weights: [tensor('start', [1, 2], [4, 8]), tensor('half', [], [0.5])],
  nodes: [
    node('Scan', inputs, ['end', 'squares'], {
      body: subgraph(
        [
          node('Mul', ['state', 'half'], 'faded'),
          node('Add', ['faded', 'now'], 'next'),
          node('Mul', ['next', 'next'], 'square'),
        ],
        ['next', 'square'],
        [],
        ['state', 'now'],
      ),
      num_scan_inputs: 1,
      scan_input_axes: [1],
      scan_output_axes: [1],
      ...attributes,
    }),
    node('Neg', ['squares'], 'y'),
  ],
  ...over,
});

const steps = (x: number[][], start: number[]) => {
  let state = start;
  return x.map((now) => {
    state = state.map((one, i) => one / 2 + now[i]);
    return state.map((one) => -one * one);
  });
};

const X = [
  [1, 2],
  [3, -1],
  [0, 5],
];

describe('Scan', () => {
  it('is a state of the stream, from the constant on', async () => {
    const loaded = await load(leaky());
    const expected = steps(X, [4, 8]);
    const stream = loaded.createStream();
    expect(X.map((x) => [...stream.step(x)])).toEqual(expected);
    expect([...loaded.createStream().run(X.flat())]).toEqual(expected.flat());
    const twice = { data: [...X.flat(), ...X.flat()], shape: [2, 3, 2] };
    expect([...loaded.run({ x: twice }).y.data]).toEqual([...expected.flat(), ...expected.flat()]);
  });

  it('takes its state from outside, and gives it back, by name', async () => {
    const spec = leaky(
      {
        inputs: [value('begin', ['batch', 2]), value('x', ['batch', 'time', 2])],
        outputs: [value('y', undefined), value('end', undefined)],
      },
      ['begin', 'x'],
    );
    const loaded = await load(spec);
    expect(loaded.inputs.map(({ name }) => name)).toEqual(['x']);
    const x = { data: X.flat(), shape: [1, 3, 2] };
    const { y, end } = loaded.run({ x, begin: { data: [4, 8], shape: [1, 2] } });
    expect([...y.data]).toEqual(steps(X, [4, 8]).flat());
    expect([...end.data].map((one) => -one * one)).toEqual(steps(X, [4, 8])[2]);
    expect([...loaded.createStream().run(X.flat())]).toEqual(steps(X, [0, 0]).flat());
  });

  it('goes through the native file', async () => {
    const native = writeNative({ ...toGraph(parseModel(model(leaky()))), metadata: {} });
    expect([...(await loadModel(native)).createStream().run(X.flat())]).toEqual(steps(X, [4, 8]).flat());
  });

  it.each<[string, ModelSpec, RegExp]>([
    ['backwards', leaky({}, undefined, { scan_input_directions: [1] }), /Scan: it runs backwards/],
    ['more inputs than its body', leaky({}, ['start', 'start', 'x']), /inputs and outputs are not those of its body/],
    [
      'an initial state that goes nowhere',
      leaky({ inputs: [value('begin', ['batch', 2]), value('x', ['batch', 'time', 2])] }, ['begin', 'x']),
      /no output is the state after it/,
    ],
    [
      'an initial state that is computed',
      leaky({
        nodes: [
          node('Identity', ['half'], 'other'),
          node('ReduceMax', ['x'], 'start', { axes: [1] }),
          ...leaky().nodes,
        ],
        weights: leaky().weights!.slice(1),
      }),
      /"Scan_2".*An initial state is computed/,
    ],
    [
      'a step that sees the whole sequence',
      leaky({
        nodes: [
          node('Scan', ['start', 'x'], ['end', 'y'], {
            body: subgraph([node('Add', ['state', 'x'], 'next')], ['next', 'next'], [], ['state', 'now']),
            num_scan_inputs: 1,
            scan_input_axes: [1],
          }),
        ],
      }),
      /a step reads a whole sequence/,
    ],
    ...[
      ['next', 'square'],
      ['next', 'next'],
    ].map(([next, square]): [string, ModelSpec, RegExp] => [
      `the last state of a cell in the steps of a sequence, ${next} ${square}`,
      leaky({
        inputs: [value('x', ['time', 'batch', 2])],
        outputs: [value(square === 'square' ? 'squares' : 'end', undefined)],
        weights: [...leaky().weights!, tensor('W', [1, 2, 2], [1, 0, 0, 1]), tensor('zero', [1], [0n])],
        nodes: [
          node('RNN', ['x', 'W', 'W'], ['', 'h'], { hidden_size: 2 }),
          node('Squeeze', ['h', 'zero'], 'last'),
          node('Scan', ['start', 'x'], ['end', 'squares'], {
            body: subgraph(
              [
                node('Add', ['state', 'now'], 'sum'),
                node('Mul', ['sum', 'last'], 'next'),
                node('Mul', ['next', 'next'], 'square'),
              ],
              [next, square],
              [],
              ['state', 'now'],
            ),
            num_scan_inputs: 1,
          }),
        ],
      }),
      /a state after the last step goes back into a sequence/,
    ]),
    [
      'the last state beside a sequence',
      leaky({
        weights: [...leaky().weights!, tensor('at', [1], [1n])],
        nodes: [leaky().nodes[0], node('Unsqueeze', ['end', 'at'], 'again'), node('Add', ['squares', 'again'], 'y')],
      }),
      /a state after the last step goes back into a sequence/,
    ],
  ])('refuses %s', async (_, spec, message) => {
    await expect(load(spec)).rejects.toThrow(message);
  });
});
