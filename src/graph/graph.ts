/**
 * The Graph: a data-flow graph in ONNX's vocabulary, as data. Readers make it, the planner consumes it, and it knows
 * neither file formats nor kernels.
 */

/** Element types, by ONNX's names in lower case. */
export type DataType =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float64'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'bool';

/** One axis: a length, or a symbol whose length is known only when data arrives. */
export type Dim = number | string;

/** The two symbols that a stream gives a meaning to: time steps, and sequences side by side. */
export const TIME = 'T';
export const BATCH = 'N';

/** A named value that enters or leaves the graph. */
export interface ValueInfo {
  name: string;
  type: DataType;
  shape: Dim[];
}

/** A constant. `bytes` is little-endian and row-major; it may be a view of the file, so nobody writes to it. */
export interface Tensor {
  name: string;
  type: DataType;
  shape: number[];
  bytes: Uint8Array;
  /** The same numbers in fewer bits, in which operators that can shall hold them; in float32 where it is absent. */
  narrow?: NarrowWeights;
}

/** Weights in fewer bits than float32, row-major: integers of a scale each, or the upper halves of float32. */
export type NarrowWeights =
  | {
      type: 'int8';
      values: Int8Array;
      /** The scale of the element at an index. */
      scaleAt(element: number): number;
      /** The axes along which scales differ. */
      scaleAxes: readonly number[];
    }
  | { type: 'bfloat16'; values: Uint16Array };

export type AttributeValue = number | string | number[] | string[];

export interface GraphNode {
  /** Unique in the graph; errors name it. */
  name: string;
  /** ONNX's operator name, e.g. `LSTM`, `MatMul`, `LayerNormalization`. */
  op: string;
  /** Names of values or tensors in ONNX's order; '' where an optional input is absent. */
  inputs: string[];
  /** Names of the values made; '' where an optional output is not wanted. */
  outputs: string[];
  attributes: Record<string, AttributeValue>;
}

/**
 * An explicit recurrent state: the value `input` that a step reads is the value `output` that the step before made.
 * `input` is made by no node and is not listed among the graph's inputs; `output` is not listed among its outputs
 * unless it is one. `initial` names a tensor of the same shape; without it the state begins as zeros.
 */
export interface StatePair {
  input: string;
  output: string;
  type: DataType;
  shape: Dim[];
  initial?: string;
}

export interface Graph {
  name: string;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  states: StatePair[];
  nodes: GraphNode[];
  tensors: Map<string, Tensor>;
  /**
   * Inputs of the file that were given once for all, and the values: what they decide is decided, but callers may go on
   * giving them. No file keeps them.
   */
  fixed?: Readonly<Record<string, readonly number[]>>;
  /** Free text by key that travels with the model: a vocabulary, scalers, a licence. */
  metadata: Record<string, string>;
}
