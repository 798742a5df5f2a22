// As much of TensorFlow Lite's flatbuffer as one recurrent cell needs: LiteRT.js refuses the fused LSTM, so that a cell is a
// graph of its operators. Numbers of fields, types and operators are those of schema.fbs.
import { GATES } from './cells.mjs';
import { quantized } from './int8.mjs';

const FLOAT32 = 0; // TensorType
const INT32 = 2;
const INT8 = 9;
/** BuiltinOperator, and where it has options: their place in the union and their fields. */
const OPERATORS = {
  ADD: [0, 11, []],
  CONCATENATION: [2, 10, [int(1)]], // axis
  FULLY_CONNECTED: [9, 8, []],
  LOGISTIC: [14],
  MUL: [18, 21, []],
  SPLIT: [49, 35, undefined], // the number of parts, which differs
  SUB: [41, 28, []],
  TANH: [28],
};

/** A number in a table; four bytes, also where the field has one. */
function int(value) {
  return { int: value };
}
const bytesOf = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
/** A list of numbers; `align` is that of its first. */
const list = (array, align = 4) => ({ bytes: bytesOf(array), length: array.length, align });
const ints = (numbers) => list(Int32Array.from(numbers));
const string = (text) => {
  const bytes = new TextEncoder().encode(`${text}\0`);
  return { bytes, length: bytes.length - 1, align: 4 };
};

/**
 * Writes a table, given as an array of its fields in the schema's order: `int`, a list, a string, a table, an array of tables
 * under `tables`, or undefined for what is left out. What a field refers to lies behind it.
 */
function writeFlatbuffer(root, identifier) {
  let buffer = new DataView(new ArrayBuffer(1 << 16));
  let end = 8;
  const reserve = (bytes, align) => {
    const at = Math.ceil(end / align) * align;
    end = at + bytes;
    if (end > buffer.byteLength) {
      const grown = new Uint8Array(2 ** Math.ceil(Math.log2(end + 1)));
      grown.set(new Uint8Array(buffer.buffer));
      buffer = new DataView(grown.buffer);
    }
    return at;
  };
  const refer = (from, node) => {
    const at = write(node);
    buffer.setUint32(from, at - from, true);
  };
  const write = (node) => {
    if (node.bytes) {
      // The length stands before the first number, which is aligned.
      const at = reserve(node.bytes.length + node.align, node.align) + node.align - 4;
      buffer.setUint32(at, node.length, true);
      new Uint8Array(buffer.buffer).set(node.bytes, at + 4);
      return at;
    }
    if (node.tables) {
      const at = reserve(4 + 4 * node.tables.length, 4);
      buffer.setUint32(at, node.tables.length, true);
      for (const [i, table] of node.tables.entries()) refer(at + 4 + 4 * i, table);
      return at;
    }
    const present = node.filter((field) => field !== undefined);
    const vtable = reserve(4 + 2 * node.length, 4);
    const at = reserve(4 + 4 * present.length, 4);
    buffer.setUint16(vtable, 4 + 2 * node.length, true);
    buffer.setUint16(vtable + 2, 4 + 4 * present.length, true);
    buffer.setInt32(at, at - vtable, true);
    for (const [i, field] of node.entries()) {
      const place = 4 + 4 * present.indexOf(field);
      if (field === undefined) continue;
      buffer.setUint16(vtable + 4 + 2 * i, place, true);
      if ('int' in field) buffer.setInt32(at + place, field.int, true);
      else refer(at + place, field);
    }
    return at;
  };
  refer(0, root);
  for (let i = 0; i < 4; i++) buffer.setUint8(4 + i, identifier.charCodeAt(i));
  return new Uint8Array(buffer.buffer, 0, end);
}

/**
 * A model of one step of `streams` streams: x [n, I], h [n, H] (and c) in, h (and c) out, in this order. `int8`: the
 * matrices as integers, a scale for each output, as TensorFlow's dynamic-range quantisation leaves them.
 */
export function writeCellTflite(cell, streams, { int8 = false } = {}) {
  const { op, inputs: I, hidden: H, W, R, B } = cell;
  const rows = GATES[op] * H;
  const graph = new Graph();
  const x = graph.tensor('x', [streams, I]);
  const states = (op === 'LSTM' ? ['h', 'c'] : ['h']).map((name) => graph.tensor(name, [streams, H]));
  const matrix = (weights, depth) => graph.matrix(weights, rows, depth, int8);
  const product = (from, weights, bias) => graph.apply('FULLY_CONNECTED', [from, weights, bias], [streams, rows]);
  const outputs = BODIES[op](graph, {
    x,
    states,
    matrix,
    product,
    streams,
    H,
    I,
    W,
    R,
    B,
    rows,
  });
  return graph.write([x, ...states], outputs);
}

/** The operators of each cell that can be written: (graph, what there is) -> outputs. */
export const BODIES = { LSTM: lstm, GRU: gru, RNN: rnn };

/** x beside h times W beside R: one product where the cell lets it be one. */
function joined(graph, { x, states: [h], matrix, product, streams, H, I, W, R, B, rows }) {
  const both = new Float32Array(rows * (I + H));
  for (let row = 0; row < rows; row++) {
    both.set(W.subarray(row * I, (row + 1) * I), row * (I + H));
    both.set(R.subarray(row * H, (row + 1) * H), row * (I + H) + I);
  }
  const bias = graph.constant(
    [rows],
    Float32Array.from({ length: rows }, (_, i) => B[i] + B[rows + i]),
  );
  const xh = graph.apply('CONCATENATION', [x, h], [streams, I + H]);
  return product(xh, matrix(both, I + H), bias);
}

function lstm(graph, cell) {
  const shape = [cell.streams, cell.H];
  const [i, o, f, g] = graph.split(joined(graph, cell), 4, shape);
  const apply = (operator, ...inputs) => graph.apply(operator, inputs, shape);
  const kept = apply('MUL', apply('LOGISTIC', f), cell.states[1]);
  const c = apply('ADD', kept, apply('MUL', apply('LOGISTIC', i), apply('TANH', g)));
  return [apply('MUL', apply('LOGISTIC', o), apply('TANH', c)), c];
}

function gru(graph, { x, states: [h], matrix, product, streams, H, I, W, R, B, rows }) {
  const shape = [streams, H];
  const apply = (operator, ...inputs) => graph.apply(operator, inputs, shape);
  const half = (from, weights, depth, bias) =>
    graph.split(product(from, matrix(weights, depth), graph.constant([rows], bias)), 3, shape);
  const [xz, xr, xh] = half(x, W, I, B.subarray(0, rows));
  const [rz, rr, rh] = half(h, R, H, B.subarray(rows));
  const z = apply('LOGISTIC', apply('ADD', xz, rz));
  const reset = apply('LOGISTIC', apply('ADD', xr, rr));
  const candidate = apply('TANH', apply('ADD', xh, apply('MUL', reset, rh)));
  return [apply('ADD', candidate, apply('MUL', z, apply('SUB', h, candidate)))];
}

function rnn(graph, cell) {
  return [graph.apply('TANH', [joined(graph, cell)], [cell.streams, cell.H])];
}

class Graph {
  tensors = [];
  names = [];
  operators = [];
  codes = [];
  /** The first buffer is empty: that of every tensor without data. */
  buffers = [[]];

  tensor(name, shape, { type = FLOAT32, data, quantization } = {}) {
    if (data) this.buffers.push([list(bytesOf(data), 16)]);
    const buffer = data ? this.buffers.length - 1 : 0;
    this.names.push(name);
    this.tensors.push([ints(shape), int(type), int(buffer), string(name), quantization]);
    return this.tensors.length - 1;
  }

  constant(shape, data) {
    return this.tensor(`constant ${this.tensors.length}`, shape, { data: data.slice() });
  }

  matrix(weights, rows, depth, int8) {
    if (!int8) return this.constant([rows, depth], weights);
    const { values: data, scales } = quantized(weights, rows, depth);
    const zeros = list(new BigInt64Array(rows), 8);
    // min, max, scale, zero_point, details' type, details, quantized_dimension
    const quantization = [undefined, undefined, list(scales), zeros, undefined, undefined, int(0)];
    return this.tensor(`weights ${this.tensors.length}`, [rows, depth], { type: INT8, data, quantization });
  }

  apply(name, inputs, shape) {
    const [output] = this.node(name, inputs, [shape]);
    return output;
  }

  split(value, parts, shape) {
    const axis = this.tensor('axis', [], { type: INT32, data: Int32Array.of(1) });
    return this.node('SPLIT', [axis, value], Array(parts).fill(shape), [int(parts)]);
  }

  node(name, inputs, shapes, fields) {
    const outputs = shapes.map((shape) => this.tensor(`value ${this.tensors.length}`, shape));
    const [code, union, options = fields] = OPERATORS[name];
    if (!this.codes.includes(code)) this.codes.push(code);
    const index = int(this.codes.indexOf(code));
    this.operators.push([index, ints(inputs), ints(outputs), union === undefined ? undefined : int(union), options]);
    return outputs;
  }

  write(inputs, outputs) {
    const subgraph = [{ tables: this.tensors }, ints(inputs), ints(outputs), { tables: this.operators }];
    const maps = (tensors) => ({ tables: tensors.map((tensor) => [string(this.names[tensor]), int(tensor)]) });
    const signature = [maps(inputs), maps(outputs), string('step'), undefined, int(0)];
    const codes = this.codes.map((code) => [int(code), undefined, int(1), int(code)]);
    const model = [
      int(3), // version
      { tables: codes },
      { tables: [subgraph] },
      undefined,
      { tables: this.buffers },
      undefined,
      undefined,
      { tables: [signature] },
    ];
    return writeFlatbuffer(model, 'TFL3');
  }
}
