import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readModel } from '../../../src/formats/registry.js';
import { loadModel } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { TOLERANCES } from '../../support/tolerances.js';

interface Data {
  shape: number[];
  data: number[];
}

interface Case {
  name: string;
  streams: boolean;
  inputs: Record<string, Data>;
  outputs: Record<string, Data>;
}

const pathOf = (name: string) => fileURLToPath(new URL(`../../fixtures/tfgraph/${name}`, import.meta.url));
const cases = JSON.parse(readFileSync(pathOf('expected.json'), 'utf8')) as Case[];
const load = (name: string) => loadModel(pathOf(`${name}/model.json`));

/** One sequence of a batch, as rows. */
function rowsOf({ shape: [, steps, ...rest], data }: Data, n: number): number[][] {
  const size = rest.reduce((a, b) => a * b, 1);
  return Array.from({ length: steps }, (_, t) => data.slice((n * steps + t) * size, (n * steps + t + 1) * size));
}

/** A graph model of the fixtures as JSON, to be altered, and its shards. */
function stored(name: string) {
  const file = (path: string) => new Uint8Array(readFileSync(pathOf(`${name}/${path}`)));
  const json = JSON.parse(new TextDecoder().decode(file('model.json')));
  const paths: string[] = json.weightsManifest[0].paths;
  return { json, files: Object.fromEntries(paths.map((path) => [path, file(path)])) };
}

const encode = (json: unknown) => new TextEncoder().encode(JSON.stringify(json));

describe('graph models give the numbers of TensorFlow', () => {
  it.each(cases)('$name, whole sequences', async ({ name, inputs, outputs }) => {
    const model = await load(name);
    // A state has the shape that its cell gives it: the axis of layers is in front.
    const given = Object.entries(inputs).map(([key, { shape, data }]) => {
      const isInput = model.inputs.some((input) => input.name === key);
      return [key, { data, shape: isInput ? shape : [1, ...shape] }];
    });
    const made = model.run(Object.fromEntries(given));
    for (const [key, { shape, data }] of Object.entries(outputs)) {
      expect(made[key].shape.filter((_, axis) => axis >= made[key].shape.length - shape.length)).toEqual(shape);
      expect(largestDifference(made[key].data, data)).toBeLessThan(TOLERANCES.float32);
    }
  });

  it.each(cases.filter(({ streams }) => streams))('$name, step by step', async ({ name, inputs, outputs }) => {
    const model = await load(name);
    const [input] = model.inputs;
    const [output] = model.outputs;
    const sequences = inputs[input.name].shape[0];
    for (let n = 0; n < sequences && model.inputs.length === Object.keys(inputs).length; n++) {
      const stream = model.createStream();
      const steps = rowsOf(inputs[input.name], n).map((row) => Float32Array.from(stream.step(row) as Float32Array));
      const expected = outputs[output.name];
      const last = expected.shape.length === 2;
      const wanted = last ? [expected.data.slice(n * steps[0].length, (n + 1) * steps[0].length)] : rowsOf(expected, n);
      for (const [t, row] of wanted.entries()) {
        expect(largestDifference(last ? steps.at(-1)! : steps[t], row)).toBeLessThan(TOLERANCES.float32);
      }
    }
  });
});

/** The operators of cells that a model holds. */
async function cellsOf(name: string): Promise<string[]> {
  const { json, files } = stored(name);
  const { graph } = await readModel(encode(json), undefined, { files });
  return graph.nodes.map(({ op }) => op).filter((op) => ['LSTM', 'GRU', 'RNN', 'TimeStep'].includes(op));
}

it.each([
  ['lstm', ['LSTM']],
  ['lstm-while', ['LSTM']],
  ['gru', ['GRU']],
  ['gru-while', ['GRU']],
  ['gru-before', ['GRU']],
  ['rnn', ['RNN', 'RNN']],
  ['bidirectional', ['GRU', 'GRU', 'LSTM', 'LSTM']],
  ['states', ['LSTM']],
  ['basic-lstm', ['LSTM']],
  ['arrays', ['LSTM']],
  ['pieces-while', ['LSTM']],
  ['scan', ['TimeStep']],
  ['unrolled', []],
] as [string, string[]][])('%s holds the cells %j', async (name, cells) => {
  expect((await cellsOf(name)).sort()).toEqual(cells);
});

it('takes the older Select, of values of one shape', async () => {
  const { json, files } = stored('functions');
  for (const node of json.modelTopology.node) if (node.op === 'SelectV2') node.op = 'Select';
  const { inputs, outputs } = cases.find(({ name }) => name === 'functions')!;
  const made = (await loadModel(encode(json), { files })).run(inputs);
  expect(largestDifference(made.y.data, outputs.y.data)).toBeLessThan(TOLERANCES.float32);
});

describe('a constant of texts', () => {
  /** The model, its first weight an array of two texts: "né" and "". */
  function withTexts() {
    const { json, files } = stored('small-rows');
    const [{ paths, weights }] = json.weightsManifest;
    weights.unshift({ name: 'note', shape: [2], dtype: 'string' });
    json.modelTopology.node.push({ name: 'note', op: 'Const', attr: { dtype: { type: 'DT_STRING' } } });
    files[paths[0]] = Uint8Array.of(3, 0, 0, 0, 0x6e, 0xc3, 0xa9, 0, 0, 0, 0, ...files[paths[0]]);
    return { json, files, first: paths[0] as string };
  }

  it('is passed over where nothing reads it', async () => {
    const { json, files } = withTexts();
    const plain = stored('small-rows');
    const [graph, expected] = [
      await readModel(encode(json), undefined, { files }),
      await readModel(encode(plain.json), undefined, { files: plain.files }),
    ];
    expect(graph.graph.tensors).toEqual(expected.graph.tensors);
  });

  it('is refused by its name where something does', async () => {
    const { json, files } = withTexts();
    json.modelTopology.node.find(({ op }: { op: string }) => op === 'MatMul' || op === '_FusedMatMul').input[1] =
      'note';
    await expect(loadModel(encode(json), { files })).rejects.toThrow(/node "note": A constant of texts/);
  });

  it('ends where the shards end', async () => {
    const { json, files, first } = withTexts();
    files[first] = Uint8Array.of(255, 255, 255, 255, ...files[first].subarray(4));
    await expect(loadModel(encode(json), { files })).rejects.toThrow(/tensor "note": The shards are too short/);
    json.weightsManifest[0].weights[0].shape = [2 ** 40];
    await expect(loadModel(encode(json), { files })).rejects.toThrow(/tensor "note": The shards are too short/);
  });
});

it('refuses a node that would be taken for one of those made while reading', async () => {
  const { json, files } = stored('gru');
  const reshape = json.modelTopology.node.filter(({ op }: { op: string }) => op === 'Reshape').at(-1);
  json.modelTopology.node.push({ name: `${reshape.name}#0`, op: 'Identity', input: ['x'] });
  await expect(loadModel(encode(json), { files })).rejects.toMatchObject({ code: 'INVALID_GRAPH' });
});

it('refuses more parts than there may be before it makes any', async () => {
  for (const num of [0, -1, 4097, 2 ** 40]) {
    const { json, files } = stored('unrolled');
    const unpack = json.modelTopology.node.find(({ op }: { op: string }) => op === 'Unpack');
    unpack.attr.num = { i: String(num) };
    await expect(loadModel(encode(json), { files })).rejects.toMatchObject({
      code: 'INVALID_GRAPH',
      message: expect.stringContaining('Unpack: attribute "num"'),
    });
  }
});

describe('graph models that are refused', () => {
  interface Node {
    name: string;
    op: string;
    input?: string[] | undefined;
    attr: Record<string, unknown>;
  }

  const find = (nodes: Node[], op: string) => nodes.find((node) => node.op === op)!;
  const base = stored('lstm-while');

  /** What loading says of an altered model. */
  async function refusal(
    alter: (parts: { json: typeof base.json; nodes: Node[]; body: Node[]; condition: Node[] }) => void,
  ) {
    const json = structuredClone(base.json);
    const { node: nodes, library } = json.modelTopology;
    const named = (word: string) =>
      library.function.find(({ signature }: { signature: { name: string } }) => signature.name.includes(word)).nodeDef;
    alter({ json, nodes, body: named('while_body'), condition: named('while_cond') });
    return loadModel(encode(json), { files: base.files }).then(
      () => undefined,
      ({ code, message }) => `${code} ${message}`,
    );
  }

  it('loads as it is', async () => {
    expect(await refusal(() => undefined)).toBeUndefined();
  });

  it('an operator that is called as what every object has', async () => {
    for (const op of ['constructor', 'toString', '__proto__']) {
      const said = await refusal(({ body }) => {
        find(body, 'AddV2').op = op;
      });
      expect(said).toMatch(/^(UNSUPPORTED_OPERATOR|INVALID_\w+) /);
    }
  });

  it.each<[string, Parameters<typeof refusal>[0], RegExp]>([
    [
      'a loop that ends by another comparison',
      ({ condition }) => {
        find(condition, 'Less').op = 'LessEqual';
      },
      /UNSUPPORTED_OPERATOR .*While: its end is computed/,
    ],
    [
      'a loop that counts by two',
      ({ body }) => {
        // The second product of the turn's number with itself.
        for (const add of body.filter(({ op, attr }) => op === 'AddV2' && JSON.stringify(attr).includes('INT32')))
          add.op = 'Mul';
      },
      /UNSUPPORTED_OPERATOR .*While: /,
    ],
    [
      'a turn that reads another step',
      ({ body }) => {
        find(body, 'TensorListGetItem').input![1] = find(body, 'TensorListSetItem').input![1];
      },
      /UNSUPPORTED_OPERATOR .*While: a turn reads another step than its own/,
    ],
    [
      'a turn that writes another step',
      ({ body }) => {
        find(body, 'TensorListSetItem').input![1] = `${find(body, 'AddV2').name}:z:0`;
      },
      /UNSUPPORTED_OPERATOR .*While: a turn writes another step than its own/,
    ],
    [
      'a list that no sequence fills',
      ({ nodes }) => {
        find(nodes, 'TensorListFromTensor').op = 'TensorListReserve';
      },
      /UNSUPPORTED_OPERATOR .*While: a turn reads what is no sequence/,
    ],
    [
      'a list of another length',
      ({ nodes }) => {
        // The constant 0, with which the turns begin to be counted.
        find(nodes, 'TensorListReserve').input![1] = find(nodes, 'While').input![0];
      },
      /UNSUPPORTED_OPERATOR .*While: a list is of another length than the loop/,
    ],
    [
      'an operator that nobody knows',
      ({ nodes }) => {
        find(nodes, 'Softmax').op = 'Betainc';
      },
      /UNSUPPORTED_OPERATOR .*operator tensorflow\.Betainc/,
    ],
    [
      'an attribute that nobody reads',
      ({ nodes }) => {
        find(nodes, 'Softmax').attr.temperature = { f: 2 };
      },
      /UNSUPPORTED_ATTRIBUTE .*Softmax: attribute "temperature"/,
    ],
    [
      'a graph that fills tables first',
      ({ json }) => {
        json.modelInitializer = { node: [{ name: 'init', op: 'NoOp' }] };
      },
      /UNSUPPORTED_OPERATOR .*A graph that is run once before the model/,
    ],
    [
      'a key that nobody reads',
      ({ json }) => {
        json.resources = {};
      },
      /UNSUPPORTED_ATTRIBUTE .*a key that nobody reads: found "resources"/,
    ],
    [
      'a constant without a weight',
      ({ nodes }) => {
        find(nodes, 'Const').name = 'elsewhere';
        for (const node of nodes)
          node.input = node.input?.map((input) =>
            input === base.json.modelTopology.node.find((one: Node) => one.op === 'Const').name ? 'elsewhere' : input,
          );
      },
      /INVALID_FILE .*A constant without a weight/,
    ],
    [
      'a function that is not there',
      ({ nodes }) => {
        (find(nodes, 'While').attr.body as { func: { name: string } }).func.name = 'nowhere';
      },
      /INVALID_GRAPH .*While: no function of this name: found nowhere/,
    ],
    [
      'a cycle',
      ({ nodes }) => {
        find(nodes, 'Softmax').input = [find(nodes, 'Softmax').name];
      },
      /INVALID_GRAPH/,
    ],
    [
      'a loop in a loop',
      ({ nodes, body }) => {
        const { attr, input } = find(nodes, 'While');
        Object.assign(find(body, 'Sigmoid'), {
          op: 'While',
          attr,
          input: input!.map(() => `${find(body, 'Split').name}:output:0`),
        });
      },
      /UNSUPPORTED_OPERATOR .*While: it holds another loop/,
    ],
  ])('%s', async (_, alter, expected) => {
    expect(await refusal(alter)).toMatch(expected);
  });
});
