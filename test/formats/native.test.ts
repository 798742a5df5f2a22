import { describe, expect, it } from 'vitest';
import { readModelSync } from '../../src/formats/registry.js';
import { parseSafetensors } from '../../src/formats/safetensors/container.js';
import { readNative } from '../../src/formats/safetensors/native.js';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import type { Graph } from '../../src/graph/graph.js';
import { fileOf, fixture, fixtureNames } from './files.js';

const value = (name: string) => ({ name, type: 'float32', shape: ['T', 'N', 2] });
const NODE = {
  name: 'n',
  op: 'Add',
  inputs: ['x', 'w'],
  outputs: ['y'],
  attributes: { a: 1, b: [1, 2], c: 'd', e: ['f'] },
};
const GRAPH = {
  version: 1,
  name: 'test',
  inputs: [value('x')],
  outputs: [value('y')],
  states: [] as unknown[],
  nodes: [NODE] as unknown[],
};
const WEIGHT = { w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } };

/** A file with this graph (an object or text) and one tensor, w [2]. */
function file(graph: object | string = GRAPH, metadata: object = {}, tensors: object = WEIGHT, size = 8): Uint8Array {
  const text = typeof graph === 'string' ? graph : JSON.stringify(graph);
  return fileOf({ __metadata__: { format: 'rivulet', 'rivulet.graph': text, ...metadata }, ...tensors }, size);
}

describe('readNative', () => {
  it('reads a graph', () => {
    const graph = readNative(file(GRAPH, { vocabulary: '["a"]', __proto__x: 'kept' }));
    expect(graph).toMatchObject({
      name: 'test',
      inputs: [value('x')],
      outputs: [value('y')],
      states: [],
      nodes: [NODE],
    });
    expect(graph.tensors.get('w')).toMatchObject({ name: 'w', type: 'float32', shape: [2] });
    expect(graph.metadata).toEqual({ vocabulary: '["a"]', __proto__x: 'kept' });
  });

  it.each<[string, string, RegExp, Uint8Array]>([
    ['weights without a graph', 'UNKNOWN_FORMAT', /without a graph.*state dict/, fileOf(WEIGHT, 8)],
    ['another format', 'INVALID_FILE', /expected "rivulet", found "pt"/, file(GRAPH, { format: 'pt' })],
    ['a reserved key of metadata', 'INVALID_FILE', /reserved key.*"rivulet.plan"/, file(GRAPH, { 'rivulet.plan': '' })],
    ['a newer version', 'INVALID_FILE', /rivulet.graph.version.*expected 1, found 2/, file({ ...GRAPH, version: 2 })],
    ['no version', 'INVALID_FILE', /rivulet.graph has no "version"/, file({ ...GRAPH, version: undefined })],
    ['a graph that is no JSON', 'INVALID_FILE', /rivulet.graph is broken/, file('{')],
    ['a graph that is no object', 'INVALID_FILE', /expected an object, found an array/, file('[]')],
    ['an unknown key of the graph', 'INVALID_FILE', /nobody reads.*"opset"/, file({ ...GRAPH, opset: 17 })],
    [
      'an unknown key of a node',
      'INVALID_FILE',
      /rivulet.graph.nodes\[0\] has a key.*"doc"/,
      file({ ...GRAPH, nodes: [{ ...NODE, doc: '' }] }),
    ],
    [
      'an unknown key of a value',
      'INVALID_FILE',
      /rivulet.graph.inputs\[0\] has a key/,
      file({ ...GRAPH, inputs: [{ ...value('x'), size: 2 }] }),
    ],
    [
      'an unknown key of a state',
      'INVALID_FILE',
      /states\[0\] has a key/,
      file({ ...GRAPH, states: [{ input: 's', output: 'y', type: 'float32', shape: [2], zero: 1 }] }),
    ],
    [
      'a key given twice',
      'INVALID_FILE',
      /"name" is given twice/,
      file(JSON.stringify(GRAPH).replace('"name"', '"name":"other","name"')),
    ],
    [
      'an unknown type',
      'INVALID_FILE',
      /inputs\[0\].type.*found "float128"/,
      file({ ...GRAPH, inputs: [{ ...value('x'), type: 'float128' }] }),
    ],
    [
      'a dim that is none',
      'INVALID_FILE',
      /shape\[0\].*found null/,
      file({ ...GRAPH, inputs: [{ ...value('x'), shape: [null] }] }),
    ],
    [
      'an attribute that is none',
      'INVALID_FILE',
      /attributes.a.*found true/,
      file({ ...GRAPH, nodes: [{ ...NODE, attributes: { a: true } }] }),
    ],
    [
      'an attribute of mixed items',
      'INVALID_FILE',
      /attributes.a.*found an array/,
      file({ ...GRAPH, nodes: [{ ...NODE, attributes: { a: [1, 'b'] } }] }),
    ],
    [
      'an input that is no name',
      'INVALID_FILE',
      /inputs\[1\].*found 1/,
      file({ ...GRAPH, nodes: [{ ...NODE, inputs: ['x', 1] }] }),
    ],
    [
      'a tensor that nothing uses',
      'INVALID_GRAPH',
      /does not use: found "v"/,
      file(GRAPH, {}, { ...WEIGHT, v: { dtype: 'U8', shape: [1], data_offsets: [8, 9] } }, 9),
    ],
    [
      'a tensor of a type that graphs lack',
      'INVALID_FILE',
      /"w".*found C64/,
      file(GRAPH, {}, { w: { dtype: 'C64', shape: [1], data_offsets: [0, 8] } }),
    ],
    ['a missing tensor', 'INVALID_GRAPH', /node "n".*"w"/, file(GRAPH, {}, {}, 0)],
  ])('refuses %s', (_, code, message, bytes) => {
    expect(() => readNative(bytes, 'some.file')).toThrow(
      expect.objectContaining({ code, file: 'some.file', message: expect.stringMatching(message) }),
    );
  });
});

describe('writeNative', () => {
  it('writes the same bytes for the same graph, in whatever order it was built', () => {
    const graph = readNative(
      file(
        {
          ...GRAPH,
          nodes: [
            { ...NODE, outputs: ['z'] },
            { ...NODE, name: 'm', inputs: ['z', 'w'] },
          ],
        },
        { b: '1', a: '2' },
      ),
    );
    const turned: Graph = {
      ...graph,
      nodes: graph.nodes
        .toReversed()
        .map((node) => ({ ...node, attributes: Object.fromEntries(Object.entries(node.attributes).reverse()) })),
      metadata: { a: '2', b: '1' },
    };
    expect(writeNative(turned)).toEqual(writeNative(graph));
    expect(readNative(writeNative(graph))).toEqual(graph);
  });

  it('refuses what the file could not give back', () => {
    const graph = readNative(file());
    expect(() => writeNative({ ...graph, metadata: { format: 'x' } })).toThrow(/file format itself/);
    expect(() => writeNative({ ...graph, metadata: { 'rivulet.x': 'x' } })).toThrow(/file format itself/);
    expect(() =>
      writeNative({ ...graph, nodes: [{ ...graph.nodes[0], attributes: { clip: Number.POSITIVE_INFINITY } }] }),
    ).toThrow(/not finite/);
    expect(() => writeNative({ ...graph, nodes: [{ ...graph.nodes[0], inputs: ['x', 'x'] }] })).toThrow(/does not use/);
  });
});

describe('fixtures, written by the Python exporter', () => {
  it('exist', () => expect(fixtureNames.length).toBeGreaterThan(30));

  it.each(fixtureNames)('%s comes back to the byte', (name) => {
    const bytes = fixture(name);
    const graph = readModelSync(bytes, name);
    expect(graph.name).toBe(name);
    expect(writeNative(graph)).toEqual(bytes);
  });

  it('hold the types asked for', () => {
    const types = (name: string) =>
      new Set(Array.from(parseSafetensors(fixture(name)).tensors.values(), ({ dtype }) => dtype));
    expect(types('lstm-5-7')).toEqual(new Set(['I64', 'F32']));
    expect(types('lstm-5-7-f16')).toEqual(new Set(['I64', 'F16']));
    expect(types('gru-5-7-bf16')).toEqual(new Set(['I64', 'BF16']));
  });
});

describe('readModelSync', () => {
  it.each<[string, RegExp]>([
    ['', /an empty file/],
    ['version https://git-lfs.github.com/spec/v1', /git lfs pull/],
    ['<!DOCTYPE html>', /HTML/],
    ['PK\x03\x04', /ZIP/],
    ['hello', /something unknown/],
  ])('says what %j may be', (text, message) => {
    expect(() => readModelSync(new TextEncoder().encode(text), 'some.file')).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_FORMAT', message: expect.stringMatching(message) }),
    );
  });
});
