import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseSafetensors } from '../../src/formats/safetensors/container.js';
import { GRAPH_VERSION } from '../../src/formats/safetensors/native.js';
import { GRAPH_LIMITS } from '../../src/graph/check.js';
import { DATA_TYPES } from '../../src/graph/tensor.js';
import { fixture, fixtureNames } from './files.js';

const read = (path: string) => readFileSync(new URL(`../../docs/${path}`, import.meta.url), 'utf8');
const schema = JSON.parse(read('graph.schema.json'));

describe('docs/graph.schema.json', () => {
  it('says what the reader does', () => {
    const { properties, $defs } = schema;
    expect(properties.version.const).toBe(GRAPH_VERSION);
    expect($defs.type.enum).toEqual(DATA_TYPES);
    expect(properties.nodes.maxItems).toBe(GRAPH_LIMITS.nodes);
    expect(properties.inputs.maxItems).toBe(GRAPH_LIMITS.ports);
    expect($defs.node.properties.inputs.maxItems).toBe(GRAPH_LIMITS.edges);
    expect($defs.shape.maxItems).toBe(GRAPH_LIMITS.rank);
    expect($defs.name.maxLength).toBe(GRAPH_LIMITS.nameLength);
    expect($defs.attribute.oneOf[2].maxItems).toBe(GRAPH_LIMITS.attributeItems);
  });

  it.each(fixtureNames)('has the keys of %s', (name) => {
    const graph = JSON.parse(parseSafetensors(fixture(name)).metadata.get('rivulet.graph') ?? '');
    const { value, state, node } = schema.$defs;
    const parts = [
      [schema, [graph]],
      [value, graph.inputs],
      [value, graph.outputs],
      [state, graph.states],
      [node, graph.nodes],
    ];
    for (const [{ properties, required }, objects] of parts) {
      for (const object of objects) {
        expect(Object.keys(properties)).toEqual(expect.arrayContaining(Object.keys(object)));
        expect(Object.keys(object)).toEqual(expect.arrayContaining(required));
      }
    }
  });
});

describe('docs/format.md', () => {
  it("has an example that is a graph's JSON", () => {
    const example = /## An example[\s\S]*?```json\n([\s\S]*?)```/.exec(read('format.md'))?.[1] ?? '';
    expect(Object.keys(JSON.parse(example))).toEqual(schema.required);
  });
});
