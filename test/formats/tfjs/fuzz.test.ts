import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Mutation, mutateBytes } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign, type Seed, type Target } from '../../support/fuzz/campaign.js';
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
      const report = await runCampaign({
        name: 'tfjs',
        seeds: names.map((name) => ({ bytes: kerasFile(`${name}/model.json`), options: { files: shardsOf(name) } })),
        mutations: [inJson],
        mutateOptions: changeFiles,
      });
      expect(report.loaded).toBeGreaterThan(report.count / 20);
      expect(Object.keys(report.refused)).toEqual(
        expect.arrayContaining(['INVALID_FILE', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_ATTRIBUTE', 'INVALID_INPUT']),
      );
    },
    CAMPAIGN_TIMEOUT,
  );

  it(
    'TensorFlow.js graph models',
    async () => {
      const names = ['small-while', 'small-frames', 'small-scan', 'small-rows'];
      const report = await runCampaign({
        name: 'tfjs-graph',
        seeds: names.map(graphModel),
        mutations: [(bytes, random) => encoder.encode(mutateJson(decoder.decode(bytes), random, GRAPH_WORDS))],
        bytesShare: 0.1,
        mutateOptions: changeFiles,
      });
      expect(report.loaded).toBeGreaterThan(report.count / 20);
      expect(Object.keys(report.refused)).toEqual(
        expect.arrayContaining(['INVALID_FILE', 'INVALID_GRAPH', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_ATTRIBUTE']),
      );
    },
    CAMPAIGN_TIMEOUT,
  );
});
