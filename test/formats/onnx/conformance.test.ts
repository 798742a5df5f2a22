import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/errors.js';
import { type OnnxModel, parseModel } from '../../../src/formats/onnx/model.js';
import {
  attempts,
  bind,
  CONFORMANCE,
  caseNames,
  difference,
  hasConformance,
  type Numbers,
  numbersOf,
  readCase,
  refusalOf,
} from './conformance.js';
import { readNpz } from './npz.js';
import { REFUSED_OPERATORS } from './refused.js';

/** What a list says of a case: the code it is refused with, or `runs`. */
const expectedOf = (list: Readonly<Partial<Record<ErrorCode, readonly string[]>>>, name: string): string =>
  Object.entries(list).find(([, names]) => names.includes(name))?.[0] ?? 'runs';

/** One step or a few of one node, against numbers computed in float32 by others. */
const ONE_NODE = 1e-6;
/** Sums of sixteen numbers up to 127 that cancel almost wholly: an ulp of what is added up is 8e-6. */
const SPECTRUM = 1e-5;
/** Whole sequences, against ONNX Runtime's float32: either side rounds at each of up to 64 steps. */
const SEQUENCE = 2e-6;
/** Two bidirectional layers of 128 and 64 units over 58 steps, both sides in float32. */
const MODEL = 3e-6;

describe.skipIf(!hasConformance).each(['onnx_node_recurrent', 'onnx_node_recurrent_opset8'])('%s', (folder) => {
  it.each(caseNames(folder))('%s', async (name) => {
    const { model, inputs, outputs } = readCase(folder, name);
    const [x, ...others] = model.graph.inputs.map((input) => input.name);
    const weights = Object.fromEntries(others.map((other, i) => [other, inputs[i + 1]]));
    const expected = Object.fromEntries(model.graph.outputs.map((output, i) => [output.name, outputs[i]]));
    expect(await difference(bind(model, weights), { [x]: inputs[0] }, expected)).toBeLessThan(ONE_NODE);
  });
});

const sweep = hasConformance
  ? readdirSync(`${CONFORMANCE}onnx_sweep`)
      .filter((file) => file.endsWith('.onnx'))
      .map((file) => file.replace('.onnx', ''))
  : [];

function readSweep(name: string): { model: OnnxModel; arrays: Record<string, Numbers> } {
  const arrays = readNpz(readFileSync(`${CONFORMANCE}onnx_sweep/${name}.npz`));
  return {
    model: parseModel(readFileSync(`${CONFORMANCE}onnx_sweep/${name}.onnx`), name),
    arrays: Object.fromEntries(Object.entries(arrays).map(([key, array]) => [key, numbersOf(array)])),
  };
}

/** Elements of an array whose index along `axis` is in [from, to). */
function part({ shape, data, integer }: Numbers, axis: number, from: number, to: number): Numbers {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const kept = data.filter((_, i) => {
    const at = Math.floor(i / inner) % shape[axis];
    return at >= from && at < to;
  });
  return { shape: shape.map((dim, a) => (a === axis ? to - from : dim)), data: kept, integer };
}

describe.skipIf(!hasConformance)('onnx_sweep', () => {
  it.each(sweep)('%s: each sequence from its own initial state, at its own length', async (name) => {
    const { model, arrays } = readSweep(name);
    const [T, N] = arrays.X.shape;
    for (let n = 0; n < N; n++) {
      const steps = arrays.sl?.data[n] ?? T;
      const bound: Record<string, Numbers> = {};
      for (const state of ['h0', 'c0']) if (arrays[state]) bound[state] = part(arrays[state], 1, n, n + 1);
      if (arrays.sl) bound.sl = part(arrays.sl, 0, n, n + 1);
      const alone = bind(model, bound);
      const x = part(part(arrays.X, 1, n, n + 1), 0, 0, steps);
      // With its lengths given, the file says for how many steps they are all there is.
      if (arrays.sl) alone.graph.inputs = alone.graph.inputs.map((input) => ({ ...input, shape: x.shape }));
      const expected: Record<string, Numbers> = { Y: part(part(arrays.Y, 2, n, n + 1), 0, 0, steps) };
      for (const state of ['Y_h', 'Y_c']) if (arrays[state]) expected[state] = part(arrays[state], 1, n, n + 1);
      expect(await difference(alone, { X: x }, expected)).toBeLessThan(SEQUENCE);
    }
  });

  it.each(sweep)('%s: as it is', async (name) => {
    const { model, arrays } = readSweep(name);
    const inputs = Object.fromEntries(model.graph.inputs.map((input) => [input.name, arrays[input.name]]));
    expect(await difference(model, inputs, arrays)).toBeLessThan(SEQUENCE);
  });
});

describe.skipIf(!hasConformance)('onnx_models', () => {
  const read = (path: string, input: string, output: string) => {
    const model = parseModel(readFileSync(`${CONFORMANCE}onnx_models/${path}`), path);
    const arrays = readNpz(readFileSync(`${CONFORMANCE}onnx_models/${path.split('/')[0]}/io.npz`));
    return difference(
      model,
      { [model.graph.inputs[0].name]: numbersOf(arrays[input]) },
      { [model.graph.outputs[0].name]: numbersOf(arrays[output]) },
    );
  };

  it('byte_bilstm', async () => {
    expect(await read('byte_bilstm/model.onnx', 'input', 'Add_26')).toBeLessThan(MODEL);
  });

  it('keras_tract', async () => {
    expect(await read('keras_tract/example.onnx', 'input', 'output')).toBeLessThan(MODEL);
  });

  it('qlstm: quantised values inside a Scan', async () => {
    expect(await read('qlstm/model.onnx', 'input', 'output')).toBeLessThan(MODEL);
  });
});

describe.skipIf(!hasConformance)('onnx_node_other', () => {
  it.each(caseNames('onnx_node_other'))('%s', async (name) => {
    const refusals: ErrorCode[] = [];
    try {
      const one = readCase('onnx_node_other', name);
      for (const { model, inputs, outputs } of attempts(one)) {
        let found = Number.NaN;
        const refusal = await refusalOf(
          difference(model, inputs, outputs).then((largest) => {
            found = largest;
          }),
        );
        if (refusal) {
          // Somebody must be able to find it.
          expect(refusal.node ?? refusal.tensor).toBeDefined();
          refusals.push(refusal.code);
          continue;
        }
        expect(found).toBeLessThan(name === 'test_stft' ? SPECTRUM : ONE_NODE);
        expect('runs').toBe(expectedOf(REFUSED_OPERATORS, name));
        return;
      }
    } catch (error) {
      // Its data are of a type that graphs do not have, as its model is.
      const refusal = await refusalOf(Promise.reject(error));
      refusals.push(refusal!.code);
    }
    expect(refusals[0]).toBe(expectedOf(REFUSED_OPERATORS, name));
  });
});
