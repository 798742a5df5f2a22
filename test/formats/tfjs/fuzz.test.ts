import { readFileSync } from 'node:fs';
import { describe, it } from 'vitest';
import { type Mutation, mutateBytes } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign, runFiles, type Seed, type Target } from '../../support/fuzz/campaign.js';
import { mutateJson } from '../../support/fuzz/json.js';
import { kerasFile } from '../keras/files.js';
import { shardsOf } from './files.js';

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const WORDS = [
  'LSTM',
  'GRU',
  'Dense',
  'Bidirectional',
  'RNN',
  'float32',
  'float16',
  'uint8',
  'uint16',
  'tokens',
  'softmax',
];

const inJson: Mutation = (bytes, random) => encoder.encode(mutateJson(decoder.decode(bytes), random, WORDS));

const GRAPH_WORDS = [
  ...['While', 'Identity', 'MatMul', 'AddV2', 'Mul', 'Split', 'Sigmoid', 'TensorListGetItem', 'TensorListSetItem'],
  ...['Enter', 'Merge', 'Switch', 'Exit', 'NextIteration', 'Const', 'StridedSlice', 'Reshape', 'Pack', 'ReverseV2'],
  ...['_FusedMatMul', 'DT_INT32', 'DT_FLOAT', '-1', '0', 'x', 'AQ=='],
];

/** The same graph under short names and without notes, so that more of what is altered means something. */
function shortened(model: { weightsManifest: { weights: { name: string }[] }[] }): unknown {
  const names = new Map<string, string>();
  const short = (text: string) => {
    const [, mark, name, rest] = /^(\^?)([^:]*)(.*)$/s.exec(text)!;
    if (name.length > 8 && !names.has(name)) names.set(name, `n${names.size}`);
    return mark + (names.get(name) ?? name) + rest;
  };
  const walk = (value: unknown, key: string): unknown => {
    if (typeof value === 'string') return PLAIN.has(key) ? value : short(value);
    if (Array.isArray(value)) return value.filter((item) => item[0] !== '^').map((item) => walk(item, key));
    if (typeof value !== 'object' || value === null) return value;
    const kept = Object.entries(value).filter(([name]) => !IDLE.test(name));
    return Object.fromEntries(kept.map(([name, item]) => [key === 'ret' ? short(name) : name, walk(item, name)]));
  };
  return walk(model, '');
}

/** Keys whose texts are no names. */
const PLAIN = new Set(['s', 'op', 'type', 'dtype', 'size', 'i', 'format', 'paths', 'generatedBy']);
/** Keys that change nothing: notes, and types that inputs say too. */
const IDLE = /^_|^experimental|^device$|^convertedBy$|^control|^argAttr$|^versions$|^T[a-z]*$|^value$|^[a-z]+_d?type$/;

/** A graph model of the fixtures, its shards beside it. */
function graphModel(name: string): Seed {
  const file = (path: string) =>
    new Uint8Array(readFileSync(new URL(`../../fixtures/tfgraph/${name}/${path}`, import.meta.url)));
  const model = JSON.parse(decoder.decode(file('model.json')));
  const paths: string[] = model.weightsManifest[0].paths;
  return {
    bytes: encoder.encode(JSON.stringify(shortened(model))),
    options: { files: Object.fromEntries(paths.map((path) => [path, file(path)])) },
  };
}

const changeFiles: Target['mutateOptions'] = (options, random) => {
  const files = options.files as Record<string, Uint8Array>;
  const changed = Object.entries(files).map(([name, bytes]) => [name, mutateBytes(bytes, random)]);
  return { ...options, files: Object.fromEntries(changed) };
};

describe('hostile files', () => {
  it(
    'TensorFlow.js',
    async () => {
      const names = ['tfjs-forecaster', 'tfjs-float16', 'tfjs-uint8', 'tfjs-layers', 'tfjs-functional'];
      await runCampaign({
        name: 'tfjs',
        seeds: names.map((name) => ({ bytes: kerasFile(`${name}/model.json`), options: { files: shardsOf(name) } })),
        mutations: [inJson],
        mutateOptions: changeFiles,
        reaches: {
          loaded: 0.05,
          refused: ['INVALID_FILE', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_ATTRIBUTE', 'INVALID_INPUT'],
        },
      });
    },
    CAMPAIGN_TIMEOUT,
  );

  it(
    'TensorFlow.js graph models',
    async () => {
      const names = ['small-while', 'small-frames', 'small-scan', 'small-rows'];
      await runCampaign({
        name: 'tfjs-graph',
        seeds: names.map(graphModel),
        mutations: [(bytes, random) => encoder.encode(mutateJson(decoder.decode(bytes), random, GRAPH_WORDS))],
        bytesShare: 0.1,
        mutateOptions: changeFiles,
        reaches: {
          loaded: 0.05,
          refused: ['INVALID_FILE', 'INVALID_GRAPH', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_ATTRIBUTE'],
        },
      });
    },
    CAMPAIGN_TIMEOUT,
  );

  /** Graphs of one kind of node: half as many as a graph may have, which is enough to see what grows faster than they do. */
  const MANY = 8_000;
  const chain = (op: string, inputs: (before: string) => string[]) => [
    ...Array.from({ length: MANY }, (_, i) => ({ name: `n${i}`, op, input: inputs(i === 0 ? 'x' : `n${i - 1}`) })),
    { name: 'y', op: 'Identity', input: [`n${MANY - 1}`] },
  ];
  const x = {
    name: 'x',
    op: 'Placeholder',
    attr: { dtype: { type: 'DT_FLOAT' }, shape: { shape: { dim: [{ size: '-1' }] } } },
  };
  /** A loop that does nothing but add its state to itself so often, and as many loops as there may be. */
  const loops = (name: string, op: string, turns: number) => ({
    node: [x, ...chain('While', (before) => [before]).map((node) => ({ ...node, attr: loopOf(name) }))].slice(0, 2000),
    library: {
      function: [name, 'end'].map((name) => ({
        signature: { name, inputArg: [{ name: 'h' }], outputArg: [{ name: 'next' }] },
        nodeDef: Array.from({ length: turns }, (_, i) => {
          const before = i === 0 ? 'h' : `a${i - 1}:z:0`;
          return { name: `a${i}`, op, input: [before, before], attr: loopOf(name) };
        }),
        ret: { next: `a${turns - 1}:z:0` },
      })),
    },
  });
  const loopOf = (body: string) => ({ cond: { func: { name: 'end' } }, body: { func: { name: body } } });

  it.each([
    ['identities', { node: [x, ...chain('Identity', (before) => [before])] }],
    ['identities, from the end', { node: [...chain('Identity', (before) => [before]).reverse(), x] }],
    ['sums of sums', { node: [x, ...chain('AddN', (before) => [before, before])] }],
    ['references in a circle', { node: chain('Identity', (before) => [before === 'x' ? 'y' : before]) }],
    [
      'values that are split again and again',
      {
        node: [x, ...chain('Unpack', (before) => [before]).map((node) => ({ ...node, attr: { num: { i: '4096' } } }))],
      },
    ],
    ['loops over one long body', loops('body', 'Mul', 4000)],
    ['loops of sums of sums', loops('body', 'AddV2', 4000)],
    ['loops that hold themselves', loops('body', 'While', 2)],
    [
      'outputs without number',
      {
        node: [x, ...chain('AddN', (before) => Array.from({ length: 64 }, (_, i) => `${before}:${i}`))].slice(0, 5000),
      },
    ],
  ])(
    'TensorFlow.js graph models: %s',
    async (_, modelTopology) => {
      const bytes = encoder.encode(JSON.stringify({ format: 'graph-model', modelTopology, weightsManifest: [] }));
      await runFiles('tfjs-graph', graphModel('small-while'), [{ bytes }]);
    },
    CAMPAIGN_TIMEOUT,
  );
});
