/** As much of a protobuf writer as tests need to make ONNX files, right ones and wrong ones. */

export const varint = (value: number | bigint): number[] => {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
};

export const integer = (field: number, value: number | bigint): number[] => [...varint(field * 8), ...varint(value)];

export const message = (field: number, ...parts: (number[] | Uint8Array)[]): number[] => {
  const content: number[] = [];
  for (const part of parts) for (const byte of part) content.push(byte);
  return varint(field * 8 + 2).concat(varint(content.length), content);
};

export const text = (field: number, value: string): number[] => message(field, new TextEncoder().encode(value));

export const float = (field: number, value: number): number[] => [
  ...varint(field * 8 + 5),
  ...new Uint8Array(Float32Array.of(value).buffer),
];

/** TensorProto of float32 in raw bytes, or of int64. */
export const tensor = (name: string, shape: number[], data: number[] | bigint[]): number[][] => {
  const integers = typeof data[0] === 'bigint';
  const array = integers ? BigInt64Array.from(data as bigint[]) : Float32Array.from(data as number[]);
  return [
    ...shape.map((dim) => integer(1, dim)),
    integer(2, integers ? 7 : 1),
    text(8, name),
    message(9, new Uint8Array(array.buffer)),
  ];
};

/** A ValueInfoProto; a name as a length is dim_param. */
export const value = (name: string, shape: (number | string)[] | undefined, type = 1): number[][] => [
  text(1, name),
  message(
    2,
    message(
      1,
      integer(1, type),
      ...(shape
        ? [message(2, ...shape.map((dim) => message(1, typeof dim === 'number' ? integer(1, dim) : text(2, dim))))]
        : []),
    ),
  ),
];

type Attribute = number | number[] | string | string[] | { float: number } | { floats: number[] } | { raw: number[][] };

function attribute(name: string, given: Attribute): number[][] {
  const all = (type: number, ...parts: number[][]) => [text(1, name), ...parts, integer(20, type)];
  if (typeof given === 'number') return all(2, integer(3, given));
  if (typeof given === 'string') return all(3, text(4, given));
  if ('float' in given) return all(1, float(2, given.float));
  if ('floats' in given) return all(6, ...given.floats.map((item) => float(7, item)));
  if ('raw' in given) return [text(1, name), ...given.raw];
  if (typeof given[0] === 'string') return all(8, ...(given as string[]).map((item) => text(9, item)));
  return all(7, ...(given as number[]).map((item) => integer(8, item)));
}

export interface NodeSpec {
  op: string;
  inputs: string[];
  outputs: string[];
  attributes?: Record<string, Attribute>;
  name?: string;
  domain?: string;
}

/** A node without a name. */
export const node = (
  op: string,
  inputs: string[],
  outputs: string | string[],
  attributes: NodeSpec['attributes'] = {},
): NodeSpec => ({ op, inputs, outputs: [outputs].flat(), attributes });

const nodeMessage = ({ op, inputs, outputs, attributes = {}, name = '', domain = '' }: NodeSpec): number[] =>
  message(
    1,
    ...inputs.map((input) => text(1, input)),
    ...outputs.map((output) => text(2, output)),
    ...(name ? [text(3, name)] : []),
    text(4, op),
    ...Object.entries(attributes).map(([key, given]) => message(5, ...attribute(key, given))),
    ...(domain ? [text(7, domain)] : []),
  );

/** A graph as an attribute: what it makes, its own weights, and the names of what it is given. */
export const subgraph = (
  nodes: NodeSpec[],
  outputs: string[],
  weights: number[][][] = [],
  inputs: string[] = [],
): { raw: number[][] } => ({
  raw: [
    message(
      6,
      ...nodes.map(nodeMessage),
      text(2, 'body'),
      ...weights.map((weight) => message(5, ...weight)),
      ...inputs.map((input) => message(11, text(1, input))),
      ...outputs.map((output) => message(12, text(1, output))),
    ),
    integer(20, 5),
  ],
});

export interface ModelSpec {
  opset?: number;
  nodes: NodeSpec[];
  inputs: number[][][];
  outputs: number[][][];
  weights?: number[][][];
  metadata?: Record<string, string>;
  /** Fields of the model or the graph beside these. */
  extra?: number[][];
  extraGraph?: number[][];
}

export function model(spec: ModelSpec): Uint8Array {
  const { opset = 17, nodes, inputs, outputs, weights = [], metadata = {}, extra = [], extraGraph = [] } = spec;
  const graph = [
    ...nodes.map(nodeMessage),
    text(2, 'graph'),
    ...weights.map((weight) => message(5, ...weight)),
    ...inputs.map((input) => message(11, ...input)),
    ...outputs.map((output) => message(12, ...output)),
    ...extraGraph,
  ];
  return Uint8Array.from(
    [
      integer(1, 8),
      message(7, ...graph),
      message(8, integer(2, opset)),
      ...Object.entries(metadata).map(([key, content]) => message(14, text(1, key), text(2, content))),
      ...extra,
    ].flat(),
  );
}
