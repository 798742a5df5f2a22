// As much of ONNX's protobuf as one LSTM node needs. Field numbers are those of onnx.proto.
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
 * An ONNX file that performs one step of one stream: X [1, 1, I], initial_h and initial_c [1, 1, H] in; Y_h and Y_c out.
 * ONNX's tensors are little-endian, as the machines are that this runs on.
 */
export function writeLstmOnnx({ inputs: I, hidden: H, W, R, B }) {
  const node = join(
    ...['X', 'W', 'R', 'B', '', 'initial_h', 'initial_c'].map((name) => bytes(1, name)),
    ...['', 'Y_h', 'Y_c'].map((name) => bytes(2, name)),
    bytes(3, 'lstm'),
    bytes(4, 'LSTM'),
    bytes(5, join(bytes(1, 'hidden_size'), integer(3, H), integer(20, INT))),
  );
  const graph = join(
    bytes(1, node),
    bytes(2, 'step'),
    bytes(5, tensor('W', [1, 4 * H, I], W)),
    bytes(5, tensor('R', [1, 4 * H, H], R)),
    bytes(5, tensor('B', [1, 8 * H], B)),
    bytes(11, valueInfo('X', [1, 1, I])),
    bytes(11, valueInfo('initial_h', [1, 1, H])),
    bytes(11, valueInfo('initial_c', [1, 1, H])),
    bytes(12, valueInfo('Y_h', [1, 1, H])),
    bytes(12, valueInfo('Y_c', [1, 1, H])),
  );
  const opset = join(bytes(1, ''), integer(2, 17));
  return join(integer(1, 8), bytes(2, 'rivulet-bench'), bytes(7, graph), bytes(8, opset));
}
