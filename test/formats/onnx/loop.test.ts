import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import {
  integer,
  type ModelSpec,
  message,
  model,
  type NodeSpec,
  node,
  subgraph,
  tensor,
  text,
  value,
} from './writer.js';

const load = (spec: ModelSpec) => loadModel(model(spec), { name: 'test.onnx' });

const BOOL = 9;
const truth = (name: string, one: 0 | 1) => [integer(2, BOOL), text(8, name), message(9, Uint8Array.of(one))];
const scalar = (name: string, one: bigint) => [
  integer(2, 7),
  text(8, name),
  message(9, new Uint8Array(BigInt64Array.of(one).buffer)),
];

interface Parts {
  inputs?: string[];
  body?: NodeSpec[];
  made?: string[];
  before?: NodeSpec[];
  after?: NodeSpec[];
  spec?: Partial<ModelSpec>;
}

/** state' = half * state + x[turn], and what leaves is its square: over x [time, batch, 2]. */
function leaky({
  inputs = ['turns', 'yes', 'start'],
  body = BODY,
  made = MADE,
  before = [],
  after = [],
  spec,
}: Parts = {}) {
  return {
    inputs: [value('x', ['time', 'batch', 2])],
    outputs: [value('y', undefined)],
    weights: [
      tensor('start', [1, 2], [4, 8]),
      tensor('half', [], [0.5]),
      ...[scalar('zero', 0n), scalar('five', 5n), truth('yes', 1), truth('no', 0)],
    ],
    nodes: [
      node('Shape', ['x'], 'shape'),
      node('Gather', ['shape', 'zero'], 'turns'),
      ...before,
      node('Loop', inputs, ['end', 'y'], { body: subgraph(body, made, [], ['turn', 'go', 'state']) }),
      ...after,
    ],
    ...spec,
  } satisfies ModelSpec;
}

const BODY = [
  node('Gather', ['x', 'turn'], 'now'),
  node('Mul', ['state', 'half'], 'faded'),
  node('Add', ['faded', 'now'], 'next'),
  node('Mul', ['next', 'next'], 'square'),
  node('Identity', ['go'], 'on'),
];
const MADE = ['on', 'next', 'square'];

const steps = (x: number[][], start: number[]) => {
  let state = start;
  return x.map((now) => {
    state = state.map((one, i) => one / 2 + now[i]);
    return state.map((one) => one * one);
  });
};

const X = [
  [1, 2],
  [3, -1],
  [0, 5],
];

describe('Loop', () => {
  it.each<[string, Parts]>([
    ['as many turns as there are steps', {}],
    ['no condition', { inputs: ['turns', '', 'start'] }],
    ['a condition that its body makes true', { body: BODY.with(4, node('Identity', ['yes'], 'on')) }],
    [
      'a turn found by a list of its number',
      {
        body: [
          node('Unsqueeze', ['turn', 'zeros'], 'at'),
          node('Cast', ['at'], 'whole', { to: 7 }),
          node('Gather', ['x', 'whole'], 'kept'),
          node('Squeeze', ['kept', 'zeros'], 'now'),
          ...BODY.slice(1),
        ],
        spec: { weights: [...leaky().weights, tensor('zeros', [1], [0n])] },
      },
    ],
    [
      'the number of steps that the file gives',
      { inputs: ['five', '', 'start'], spec: { inputs: [value('x', [5, 'batch', 2])] } },
    ],
  ])('of %s is a state of the stream', async (_, parts) => {
    const loaded = await load(leaky(parts));
    const expected = steps(X, [4, 8]);
    const stream = loaded.createStream();
    expect(X.map((x) => [...stream.step(x)])).toEqual(expected);
    expect([...loaded.createStream().run(X.flat())]).toEqual(expected.flat());
    const twice = { data: X.flatMap((x) => [...x, ...x]), shape: [3, 2, 2] };
    expect([...loaded.run({ x: twice }).y.data]).toEqual(expected.flatMap((y) => [...y, ...y]));
  });

  it('takes its state from outside, and gives it back, by name', async () => {
    const spec = leaky({
      inputs: ['turns', '', 'begin'],
      spec: {
        inputs: [value('begin', ['batch', 2]), value('x', ['time', 'batch', 2])],
        outputs: [value('y', undefined), value('end', undefined)],
      },
    });
    const loaded = await load(spec);
    expect(loaded.inputs.map(({ name }) => name)).toEqual(['x']);
    const x = { data: X.flat(), shape: [3, 1, 2] };
    const { y, end } = loaded.run({ x, begin: { data: [4, 8], shape: [1, 2] } });
    expect([...y.data]).toEqual(steps(X, [4, 8]).flat());
    expect([...end.data].map((one) => one * one)).toEqual(steps(X, [4, 8])[2]);
    expect([...loaded.createStream().run(X.flat())]).toEqual(steps(X, [0, 0]).flat());
  });

  it('around a cell leaves the state to the cell, from outside too', async () => {
    const cell = [
      node('Gather', ['x', 'turn'], 'now'),
      node('Unsqueeze', ['now', 'zeros'], 'now.1'),
      node('Unsqueeze', ['state', 'zeros'], 'state.1'),
      node('RNN', ['now.1', 'W', 'R', '', '', 'state.1'], ['', 'next.1'], { hidden_size: 2 }),
      node('Squeeze', ['next.1', 'zeros'], 'next'),
      node('Identity', ['go'], 'on'),
    ];
    const weights = [
      ...[tensor('zeros', [1], [0n]), scalar('zero', 0n)],
      ...[tensor('W', [1, 2, 2], [1, 0, 0.5, 2]), tensor('R', [1, 2, 2], [0, 1, 1, 0.5])],
    ];
    const looped = leaky({
      inputs: ['turns', '', 'begin'],
      body: cell,
      made: ['on', 'next', 'next'],
      spec: {
        inputs: [value('begin', ['batch', 2]), value('x', ['time', 'batch', 2])],
        outputs: [value('y', undefined), value('end', undefined)],
        weights,
      },
    });
    const plain: ModelSpec = {
      inputs: [value('x', ['time', 'batch', 2])],
      outputs: [value('y', undefined)],
      weights,
      nodes: [node('RNN', ['x', 'W', 'R'], 'all', { hidden_size: 2 }), node('Squeeze', ['all', 'one'], 'y')],
    };
    plain.weights = [...weights, tensor('one', [1], [1n])];
    const [loaded, whole] = [await load(looped), await load(plain)];
    expect(loaded.plan().calls.filter(({ kernel }) => kernel === 'rnn')).toHaveLength(1);
    const expected = whole.createStream().run(X.flat());
    expect(loaded.createStream().run(X.flat())).toEqual(expected);
    const stream = loaded.createStream();
    expect(X.flatMap((x) => [...stream.step(x)])).toEqual([...expected]);
    const [begin] = loaded.plan().carried;
    const half = { data: X.slice(1).flat(), shape: [2, 1, 2] };
    const state = { data: expected.slice(0, 2), shape: begin.shape.map((dim) => (typeof dim === 'string' ? 1 : dim)) };
    const { y, end } = loaded.run({ x: half, begin: state });
    expect([...y.data]).toEqual([...expected.slice(2)]);
    expect([...end.data]).toEqual([...expected.slice(4)]);
  });

  it.each<[string, Parts, RegExp]>([
    ['a condition that is false', { inputs: ['turns', 'no', 'start'] }, /Loop: its condition is computed/],
    [
      'a condition that its body computes',
      {
        body: [
          ...BODY.slice(0, 4),
          node('ReduceMax', ['next'], 'most', { keepdims: 0 }),
          node('Less', ['most', 'half'], 'on'),
        ],
      },
      /Loop: its condition is computed/,
    ],
    [
      'turns without end',
      { inputs: ['', 'yes', 'start'] },
      /Loop: its turns are not the steps.*found no number of turns/,
    ],
    [
      'turns that read no sequence',
      { inputs: ['five', '', 'start'], body: [node('Identity', ['state'], 'now'), ...BODY.slice(1)] },
      /its turns are not the steps.*found no sequence that is read/,
    ],
    ['another number of turns', { inputs: ['five', '', 'start'] }, /its turns are not the steps of a sequence/],
    [
      'the number of a turn in the numbers',
      {
        body: [node('Cast', ['turn'], 'number', { to: 1 }), node('Mul', ['state', 'number'], 'now'), ...BODY.slice(1)],
      },
      /Mul: the number of a turn is computed with/,
    ],
    [
      'a step before the one at hand',
      { body: [node('Sub', ['turn', 'five'], 'ago'), node('Gather', ['x', 'ago'], 'now'), ...BODY.slice(1)] },
      /Sub: the number of a turn is computed with/,
    ],
    [
      'a turn found by a table of its number',
      {
        body: [
          node('Unsqueeze', ['turn', 'zeros'], 'list'),
          node('Unsqueeze', ['list', 'zeros'], 'table'),
          node('Gather', ['x', 'table'], 'now'),
          ...BODY.slice(1),
        ],
        spec: { weights: [...leaky().weights, tensor('zeros', [1], [0n])] },
      },
      /Unsqueeze: the number of a turn is computed with/,
    ],
    [
      'a step that sees the whole sequence',
      { body: [node('Add', ['state', 'x'], 'now'), ...BODY.slice(1)] },
      /a step reads a whole sequence/,
    ],
    [
      'a loop within it',
      { body: [node('Loop', ['five', '', 'state'], 'now', {}), ...BODY.slice(1)] },
      /Loop: inside another/,
    ],
    [
      'more states than its body',
      { inputs: ['turns', '', 'start', 'half'] },
      /inputs and outputs are not those of its body/,
    ],
    [
      'a state that other nodes read beside a cell',
      {
        body: [
          node('Gather', ['x', 'turn'], 'now'),
          node('Unsqueeze', ['now', 'zeros'], 'now.1'),
          node('Unsqueeze', ['state', 'zeros'], 'state.1'),
          node('RNN', ['now.1', 'W', 'W', '', '', 'state.1'], ['', 'next.1'], { hidden_size: 2 }),
          node('Squeeze', ['next.1', 'zeros'], 'next'),
          node('Mul', ['state', 'state'], 'square'),
          node('Identity', ['go'], 'on'),
        ],
        spec: { weights: [...leaky().weights, tensor('zeros', [1], [0n]), tensor('W', [1, 2, 2], [1, 0, 0, 1])] },
      },
      /An initial state is read as a signal too/,
    ],
  ])('refuses %s', async (_, parts, message) => {
    await expect(load(leaky(parts))).rejects.toThrow(message);
  });

  const list = (
    body: NodeSpec[],
    after: NodeSpec[] = [node('ConcatFromSequence', ['end'], 'y', { axis: 0, new_axis: 1 })],
  ) => {
    const spec = leaky({ before: [node('SequenceEmpty', [], 'empty', { dtype: 1 })] });
    const nodes = spec.nodes.with(
      -1,
      node('Loop', ['turns', '', 'start', 'empty'], ['last', 'end'], {
        body: subgraph([...BODY, ...body], ['on', 'next', 'longer'], [], ['turn', 'go', 'state', 'list']),
      }),
    );
    return { ...spec, nodes: [...nodes, ...after] };
  };

  it('fills a list', async () => {
    const loaded = await load(list([node('SequenceInsert', ['list', 'square'], 'longer')]));
    expect([...loaded.createStream().run(X.flat())]).toEqual(steps(X, [4, 8]).flat());
  });

  it.each<[string, ModelSpec, RegExp]>([
    ['a list as it was', list([node('Identity', ['list'], 'longer')]), /a list: expected one value more in each turn/],
    [
      'a list that grows by two',
      list([node('SequenceInsert', ['list', 'square'], 'more'), node('SequenceInsert', ['more', 'square'], 'longer')]),
      /SequenceInsert: any list/,
    ],
    [
      'a list that grows at its front',
      list([node('SequenceInsert', ['list', 'square', 'zero'], 'longer')]),
      /SequenceInsert: any list/,
    ],
    [
      'a list that nobody filled',
      list(
        [node('SequenceInsert', ['list', 'square'], 'longer')],
        [node('ConcatFromSequence', ['empty'], 'y', { axis: 0 })],
      ),
      /ConcatFromSequence: any list/,
    ],
    [
      'values of a list that are longer than one',
      list(
        [node('SequenceInsert', ['list', 'square'], 'longer')],
        [node('ConcatFromSequence', ['end'], 'y', { axis: 1 })],
      ),
      /several elements of a turn/,
    ],
  ])('refuses %s', async (_, spec, message) => {
    await expect(load(spec)).rejects.toThrow(message);
  });
});
