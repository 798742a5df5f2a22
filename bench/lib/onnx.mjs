// As much of ONNX's protobuf as one recurrent node needs. Field numbers are those of onnx.proto.
import { GATES, onnxOf } from './cells.mjs';
import { quantized } from './int8.mjs';

const encoder = new TextEncoder();

function varint(value) {
  const bytes = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

/** Field of wire type 0: an integer. */
const integer = (field, value) => Uint8Array.from([...varint(field << 3), ...varint(value)]);
/** Field of wire type 2: bytes, a string, or a message already encoded. */
function bytes(field, value) {
  const body = typeof value === 'string' ? encoder.encode(value) : value;
  return join(Uint8Array.from([...varint((field << 3) | 2), ...varint(body.length)]), body);
}

function join(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const FLOAT = 1; // TensorProto.DataType
const INT8 = 3;
const INT = 2; // AttributeProto.AttributeType

const tensor = (name, dims, data) =>
  join(
    ...dims.map((dim) => integer(1, dim)),
    integer(2, data instanceof Int8Array ? INT8 : FLOAT),
    bytes(8, name),
    bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  );

const valueInfo = (name, dims) =>
  join(
    bytes(1, name),
    bytes(2, bytes(1, join(integer(1, FLOAT), bytes(2, join(...dims.map((dim) => bytes(1, integer(1, dim)))))))),
  );

/**
 * An ONNX file that runs a cell over X [steps, streams, I] from initial_h (and, for an LSTM, initial_c)
 * [1, streams, H]; out come Y [steps, 1, streams, H], Y_h (and Y_c). ONNX's tensors are little-endian, as the machines
 * are that this runs on.
 */
export function writeCellOnnx(cell, steps, streams) {
  const { op, inputs: I, hidden: H, W, R, B } = cell;
  const rows = GATES[op] * H;
  const tensors = [tensor('W', [1, rows, I], W), tensor('R', [1, rows, H], R), tensor('B', [1, 2 * rows], B)];
  return writeModel(cell, steps, streams, { op: onnxOf(cell).operator, tensors, more: [] });
}

/**
 * The same for an LSTM of int8 weights, a scale for each output: onnxruntime's own operator, which is what its dynamic
 * quantisation makes of an LSTM. The matrices are transposed.
 */
export function writeQuantizedLstmOnnx(cell, steps, streams) {
  const { inputs: I, hidden: H, W, R, B } = cell;
  const rows = 4 * H;
  const [w, r] = [transposed(quantized(W, rows, I), rows), transposed(quantized(R, rows, H), rows)];
  const zeros = new Int8Array(rows);
  const tensors = [
    tensor('W', [1, I, rows], w.values),
    tensor('R', [1, H, rows], r.values),
    tensor('B', [1, 2 * rows], B),
    tensor('W_scale', [1, rows], w.scales),
    tensor('W_zero', [1, rows], zeros),
    tensor('R_scale', [1, rows], r.scales),
    tensor('R_zero', [1, rows], zeros),
  ];
  const more = ['', 'W_scale', 'W_zero', 'R_scale', 'R_zero'];
  return writeModel(cell, steps, streams, { op: 'DynamicQuantizeLSTM', domain: 'com.microsoft', tensors, more });
}

/** [rows][depth] -> [depth][rows]. */
function transposed({ values, scales }, rows) {
  const depth = values.length / rows;
  return { values: Int8Array.from(values, (_, i) => values[(i % rows) * depth + Math.floor(i / rows)]), scales };
}

function writeModel(cell, steps, streams, { op, domain, tensors, more }) {
  const { inputs: I, hidden: H } = cell;
  const hasCell = cell.op === 'LSTM';
  const attributes = Object.entries(onnxOf(cell).attributes).map(([name, value]) =>
    bytes(5, join(bytes(1, name), integer(3, value), integer(20, INT))),
  );
  const node = join(
    ...['X', 'W', 'R', 'B', '', 'initial_h', ...(hasCell ? ['initial_c'] : []), ...more].map((name) => bytes(1, name)),
    ...['Y', 'Y_h', ...(hasCell ? ['Y_c'] : [])].map((name) => bytes(2, name)),
    bytes(3, 'cell'),
    bytes(4, op),
    ...attributes,
    ...(domain ? [bytes(7, domain)] : []),
  );
  const state = [1, streams, H];
  const graph = join(
    bytes(1, node),
    bytes(2, 'steps'),
    ...tensors.map((one) => bytes(5, one)),
    bytes(11, valueInfo('X', [steps, streams, I])),
    bytes(11, valueInfo('initial_h', state)),
    ...(hasCell ? [bytes(11, valueInfo('initial_c', state))] : []),
    bytes(12, valueInfo('Y', [steps, 1, streams, H])),
    bytes(12, valueInfo('Y_h', state)),
    ...(hasCell ? [bytes(12, valueInfo('Y_c', state))] : []),
  );
  const opsets = [bytes(8, join(bytes(1, ''), integer(2, 17)))];
  if (domain) opsets.push(bytes(8, join(bytes(1, domain), integer(2, 1))));
  return join(integer(1, 8), bytes(2, 'rivulet-bench'), bytes(7, graph), ...opsets);
}
