// As much of ONNX's protobuf as one recurrent node needs. Field numbers are those of onnx.proto.
import { GATES } from './cells.mjs';

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
const INT = 2; // AttributeProto.AttributeType

const tensor = (name, dims, data) =>
  join(
    ...dims.map((dim) => integer(1, dim)),
    integer(2, FLOAT),
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
export function writeCellOnnx({ op, inputs: I, hidden: H, W, R, B }, steps, streams) {
  const rows = GATES[op] * H;
  const cell = op === 'LSTM';
  const attributes = [bytes(5, join(bytes(1, 'hidden_size'), integer(3, H), integer(20, INT)))];
  if (op === 'GRU') attributes.push(bytes(5, join(bytes(1, 'linear_before_reset'), integer(3, 1), integer(20, INT))));
  const node = join(
    ...['X', 'W', 'R', 'B', '', 'initial_h', ...(cell ? ['initial_c'] : [])].map((name) => bytes(1, name)),
    ...['Y', 'Y_h', ...(cell ? ['Y_c'] : [])].map((name) => bytes(2, name)),
    bytes(3, 'cell'),
    bytes(4, op),
    ...attributes,
  );
  const state = [1, streams, H];
  const graph = join(
    bytes(1, node),
    bytes(2, 'steps'),
    bytes(5, tensor('W', [1, rows, I], W)),
    bytes(5, tensor('R', [1, rows, H], R)),
    bytes(5, tensor('B', [1, 2 * rows], B)),
    bytes(11, valueInfo('X', [steps, streams, I])),
    bytes(11, valueInfo('initial_h', state)),
    ...(cell ? [bytes(11, valueInfo('initial_c', state))] : []),
    bytes(12, valueInfo('Y', [steps, 1, streams, H])),
    bytes(12, valueInfo('Y_h', state)),
    ...(cell ? [bytes(12, valueInfo('Y_c', state))] : []),
  );
  const opset = join(bytes(1, ''), integer(2, 17));
  return join(integer(1, 8), bytes(2, 'rivulet-bench'), bytes(7, graph), bytes(8, opset));
}
