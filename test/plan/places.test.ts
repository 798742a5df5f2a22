import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors.js';
import type { GraphNode, Tensor, ValueInfo } from '../../src/graph/graph.js';
import { ALL_OPERATORS } from '../../src/ops/all.js';
import { makePlan } from '../../src/plan/plan.js';
import { floats, graphOf, integers, node, value } from '../support/graphs.js';

/** A node over x and what else is given, to y [3, 4, N]. */
const planned = (x: ValueInfo['shape'], one: GraphNode, tensors: Tensor[], others: ValueInfo[] = []) =>
  makePlan(
    graphOf({ inputs: [value('x', x), ...others], outputs: [value('y', [3, 4, 'N'])], nodes: [one], tensors }),
    ALL_OPERATORS,
  );

const X: ValueInfo['shape'] = [3, 4, 'N'];
const scatter = (attributes: GraphNode['attributes'] = {}) => node('ScatterND', ['x', 'at', 'u'], 'y', attributes);
const gather = (attributes: GraphNode['attributes'] = {}) => node('GatherND', ['x', 'at'], 'y', attributes);
const at = (...indices: number[]) => integers('at', indices, [indices.length / 2, 2]);
const updates = floats('u', [2, 1], { seed: 1 });

describe('places of several indices', () => {
  it('are planned where they fit', () => {
    expect(planned(X, scatter(), [at(0, 1, 2, -1), updates]).plan.calls.length).toBeGreaterThan(0);
  });

  it.each<[string, ErrorCode, RegExp, () => unknown]>([
    [
      'an index out of range',
      'INVALID_GRAPH',
      /an index is out of range: expected -4\.\.3, found 4/,
      () => planned(X, scatter(), [at(0, 1, 2, 4), updates]),
    ],
    [
      'a place given twice',
      'UNSUPPORTED_OPERATOR',
      /ScatterND: a place is given twice/,
      () => planned(X, scatter(), [at(0, -1, 0, 3), updates]),
    ],
    [
      'computed places to scatter to',
      'UNSUPPORTED_OPERATOR',
      /ScatterND: input 1 is computed at run time/,
      () => planned(X, scatter(), [updates], [value('at', [2, 2], 'int64')]),
    ],
    [
      'computed places of several axes',
      'UNSUPPORTED_OPERATOR',
      /GatherND: computed indices of several axes/,
      () => planned(X, gather(), [], [value('at', [2, 2], 'int64')]),
    ],
    [
      'a choice along N',
      'UNSUPPORTED_OPERATOR',
      /GatherND: a choice along T or N/,
      () => planned(['N', 3, 4], gather(), [at(0, 1)]),
    ],
    [
      'batches that differ',
      'INVALID_GRAPH',
      /the batches differ/,
      () => planned([3, 4, 5, 'N'], gather({ batch_dims: 1 }), [at(0, 1)]),
    ],
    ['more indices than axes', 'INVALID_GRAPH', /indices do not fit/, () => planned([3], gather(), [at(0, 1)])],
    [
      'updates of another shape',
      'INVALID_GRAPH',
      /updates do not fit: expected \[2, N\], found \[3, 1\]/,
      () => planned(X, scatter(), [at(0, 1, 2, 3), floats('u', [3, 1], { seed: 1 })]),
    ],
    [
      'a reduction that is none',
      'UNSUPPORTED_ATTRIBUTE',
      /reduction/,
      () => planned(X, scatter({ reduction: 'mean' }), [at(0, 1, 2, 3), updates]),
    ],
  ])('are refused for %s', (_, code, message, plan) => {
    expect(plan).toThrow(message);
    expect(plan).toThrow(expect.objectContaining({ code }));
  });
});
