import type { JsonObject } from '../../json.js';
import { broadcastLengths, type Length, showLengths, unify } from '../../lengths.js';
import { activate } from '../activations.js';
import { type Config, show } from '../config.js';
import { type LayerReader, pinned, simple } from '../layer.js';
import type { Value } from '../writer.js';

/** Layers of several values, and Keras 3's operations. */

function broadcast(a: Value, b: Value, config: Config): Length[] {
  const shape = broadcastLengths(a.shape, b.shape);
  if (shape) return shape;
  throw config.fail('INVALID_FILE', `${config.className}: its inputs do not fit`, {
    expected: showLengths(a.shape),
    found: showLengths(b.shape),
  });
}

/** An operator of two values, applied from left to right; an average is divided at the end. */
const chained =
  (op: string, count: [least: number, most: number], average = false): LayerReader =>
  ({ config, model }) => {
    config.end();
    const { graph } = model;
    return (inputs, { name }) => {
      const [least, most] = count;
      if (inputs.length < least || inputs.length > most) {
        throw config.fail('INVALID_FILE', `${config.className}: inputs`, {
          expected: `${least} or more`,
          found: `${inputs.length}`,
        });
      }
      const sum = inputs.reduce((a, b) => ({
        name: graph.node(op, [a.name, b.name], `${name}.${op.toLowerCase()}`),
        type: 'float32',
        shape: broadcast(a, b, config),
        mask: a.mask ?? b.mask,
      }));
      if (!average) return [sum];
      const part = graph.floats(`${name}.part`, [1 / inputs.length]);
      return [{ ...sum, name: graph.node('Mul', [sum.name, part], `${name}.average`) }];
    };
  };

const concatenate: LayerReader = ({ config, model }) => {
  const given = config.integer('axis', -1);
  config.end();
  return (inputs, { name }) => {
    const [first, ...others] = inputs;
    const rank = first?.shape.length ?? 0;
    const axis = given < 0 ? given + rank : given;
    if (!(axis in (first?.shape ?? [])) || others.some(({ shape }) => shape.length !== rank)) {
      throw config.wrong('axis', `an axis of inputs of one rank`, given);
    }
    const width = inputs.reduce(
      (sum, { shape }) => sum + pinned(shape[axis], config, 'the axis along which it joins'),
      0,
    );
    const shape = first.shape.map((length, a) => (a === axis ? width : length));
    for (const other of others) {
      for (const [a, length] of other.shape.entries()) {
        if (a === axis || unify(shape[a], length) !== undefined) continue;
        throw config.fail('INVALID_FILE', 'Concatenate: its inputs do not fit', {
          expected: showLengths(first.shape),
          found: showLengths(other.shape),
        });
      }
    }
    const names = inputs.map((input) => input.name);
    const mask = inputs.find((input) => input.mask !== undefined)?.mask;
    // From the end: a layer that is distributed over steps has an axis more before.
    return [
      {
        name: model.graph.node('Concat', names, `${name}.concat`, { axis: axis - rank }),
        type: 'float32',
        shape,
        mask,
      },
    ];
  };
};

const negative: LayerReader = ({ config, model }) => {
  config.end();
  const { graph } = model;
  return ([x], { name }) => [
    { ...x, name: graph.node('Mul', [x.name, graph.floats(`${name}.minus`, [-1])], `${name}.negative`) },
  ];
};

/** What Keras 3 computes masks by. They are no values of the graph: who is given one says what becomes of it. */
const maskOperation: LayerReader =
  ({ config }) =>
  ([x]) => [{ name: '', type: 'bool', shape: x.shape, mask: config.layer }];

const MANY: [number, number] = [2, 4096];
const TWO: [number, number] = [2, 2];

export const mergeLayers: Readonly<Record<string, LayerReader>> = {
  Add: chained('Add', MANY),
  Multiply: chained('Mul', MANY),
  Subtract: chained('Sub', TWO),
  Average: chained('Add', MANY, true),
  Maximum: chained('Max', MANY),
  Minimum: chained('Min', MANY),
  Concatenate: concatenate,
};

/** A function of each element, as an operator of ONNX. */
const elementwise =
  (op: string): LayerReader =>
  ({ config, model }) => {
    config.end();
    return simple(config, (x, { name }) => activate(model.graph, x, { op }, name));
  };

/** `x[:, -1]` and `x[:, -1, :]` of a cell's outputs: the output after the last step, so that the model streams. */
const getItem: LayerReader = ({ config, model }) => {
  config.end();
  return ([x], { index }) => {
    const last = model.lastSteps.get(x.name);
    const [batch, time, ...others] = Array.isArray(index) ? index : [];
    const whole = [batch, ...others].every((one) => one instanceof Map && isWhole(one));
    if (last && whole && time === -1 && others.length < 2) return [last];
    throw config.fail('UNSUPPORTED_OPERATOR', 'operation GetItem', {
      expected: "x[:, -1] of a recurrent layer's outputs",
      found: show(index),
    });
  };
};

/** Whether a slice takes all there is. */
function isWhole(slice: JsonObject): boolean {
  const bounds = slice.get('config');
  return bounds instanceof Map && [...bounds.values()].every((bound) => bound === null);
}

/** Keras 3's operations on values, such as `a + b` in a functional model. Other ones of a layer's name mean something else. */
export const operations: Readonly<Record<string, LayerReader>> = {
  Add: chained('Add', TWO),
  Subtract: chained('Sub', TWO),
  Multiply: chained('Mul', TWO),
  Divide: chained('Div', TWO),
  TrueDivide: chained('Div', TWO),
  Maximum: chained('Max', TWO),
  Minimum: chained('Min', TWO),
  Negative: negative,
  Concatenate: concatenate,
  Relu: elementwise('Relu'),
  Sigmoid: elementwise('Sigmoid'),
  Tanh: elementwise('Tanh'),
  GetItem: getItem,
  NotEqual: maskOperation,
  Any: maskOperation,
};
