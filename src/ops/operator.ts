import type { DataType, Dim, GraphNode, Tensor } from '../graph/graph.js';
import type { KernelName } from './kernels.js';
import type { NodeReader } from './node.js';
import type { Packer } from './pack.js';

/** What is known of a value before any data arrives. */
export interface ValueType {
  type: DataType;
  shape: Dim[];
}

/**
 * A constant of a kernel call. Addresses are named here and become numbers when the arena is laid out; `inspect --plan`
 * prints both.
 */
export type Argument =
  | number
  | { float: number }
  /** Address of a value's first row, plus `offset` bytes. */
  | { value: string; offset?: number }
  /** Bytes from a value's row to the next; 0 for a constant. */
  | { strideOf: string }
  /** Address of packed weights. */
  | { weights: string }
  /** Offset of a state within a stream's slot. */
  | { state: string }
  /** Address of the call's working memory. */
  | { scratch: 0 };

/** Where an operator's row lies: a value of the arena, or a constant packed beside the weights (stride 0). */
export interface Operand {
  address: Argument;
  stride: Argument;
}

/**
 * What an operator says to the planner. Values are seen one row at a time: a row is one time step of one stream, the
 * axes T and N are gone, and what is left of the shape lies in it contiguously.
 */
export interface Lowering extends NodeReader {
  /** Numbers in a row of input i. */
  width(i: number): number;
  /** Shape of a row of input i: its axes without T and N. */
  rowShape(i: number): number[];
  outputWidth(i: number): number;
  /** Input i as a value that the arena holds. A constant is an error here. */
  input(i: number): Operand;
  output(i: number): Operand;
  /** Whether anyone reads output i. */
  wanted(i: number): boolean;
  /** Output i is a value made before, under another name and shape: no call, no copy. */
  alias(output: number, value: string): void;
  /** A value of this node that is not an output. */
  temporary(label: string, width: number): Operand;
  /** `count` float32 in the arena, filled once at load. `bytes`: they are int8, which each build lays out its own way. */
  weights(label: string, count: number, fill: Packer, bytes?: boolean): Argument;
  /** Argument words of its own in the arena, whose address is then an argument of a call. */
  record(label: string, words: readonly Argument[]): Argument;
  /** A constant input broadcast to the row of `shape`, packed. */
  constantRow(i: number, shape: readonly Dim[]): Operand;
  /**
   * A recurrent state of `size` float32 that each stream carries. It begins as zeros, as the constant at `input`, or,
   * where `input` and `output` are an explicit state pair of the graph, under that pair's name. `part` of `parts`
   * selects a direction.
   */
  recurrentState(label: string, size: number, input: number, output: number, part: number, parts: number): StateHandle;
  /** A state of `size` float32 that each stream carries and that begins as zeros. */
  state(label: string, size: number): StateHandle;
  /** Working memory for one call: `perRow` bytes for each row, `perStream` for each stream, and `fixed`. */
  scratch(perRow: number, perStream: number, fixed: number): Argument;
  call(kernel: KernelName, args: Record<string, Argument>): void;
  /** The node needs the future: the graph runs on whole sequences only. */
  needsWholeSequence(why: string): void;
  /** Several steps can't run through this node in one call: the executor makes them one by one. */
  needsSingleSteps(): void;
  /** After the node's call, copies a state into the last step's rows of an output, `offset` bytes in. */
  readState(output: number, state: StateHandle, offset: number): void;
}

export interface StateHandle {
  name: string;
  size: number;
}

/** Operators by name; what a graph may name. */
export type Operators = ReadonlyMap<string, Operator>;

/** Row-major float64, for the references. */
export interface ReferenceTensor {
  shape: number[];
  data: Float64Array;
}

/** One operator: everything the project knows of it stands in one file. */
export interface Operator {
  /** ONNX's name. */
  readonly op: string;
  /** Every attribute it reads; any other is refused by name. */
  readonly attributes: readonly string[];
  /** Whether only the planner makes it; a file that holds it wants something else by the name. */
  readonly internal?: boolean;
  /** Least and most inputs. */
  readonly inputs: readonly [number, number];
  /** Whether it moves numbers without computing with them, so that values of integers may pass; others take float32. */
  readonly anyType?: boolean;
  /** Inputs that are integers, which an operator that computes with float32 reads by themselves: lengths. */
  readonly integers?: readonly number[];
  /** The output of a node whose inputs are all constants, which then is one too; the node is gone before the planning. */
  fold?(node: NodeReader): Tensor;
  /** The types and shapes of the outputs, from those of the inputs. */
  infer(node: NodeReader): ValueType[];
  /** Packs weights and lists kernel calls. */
  lower(node: Lowering): void;
}

/**
 * The operator in plain float64 on whole sequences, as ONNX's documentation writes it: what kernels are held to.
 * `inputs[i]` is undefined where an optional input is absent.
 */
export type Reference = (node: GraphNode, inputs: (ReferenceTensor | undefined)[]) => ReferenceTensor[];

export type { GraphNode, Tensor };
