import type { DataType, Dim, Graph } from '../graph/graph.js';
import { type KernelModule, type KernelName, moduleOf } from '../ops/kernels.js';
import type { Argument, Operators } from '../ops/operator.js';
import type { Packer } from '../ops/pack.js';
import { OPERATORS } from '../ops/registry.js';
import { fold } from './fold.js';
import { fuse } from './fuse.js';
import { inferTypes } from './infer.js';
import { lowerGraph } from './lower.js';
import { placeValues } from './place.js';

/** A named value that a caller gives or gets, one row of it for each time step of each stream. */
export interface PlanPort {
  name: string;
  type: DataType;
  /** The shape that the graph declares, T and N included. */
  shape: Dim[];
  /** Numbers in a row. */
  size: number;
  /** The value that holds it. */
  value: string;
  /** Token numbers must be below this; absent where they are not tokens. */
  limit?: number;
  /** Numbers are lengths of sequences: at most the steps of the call. */
  lengths?: true;
}

/** A buffer of activations: `rows` rows of `stride` bytes, at `offset` * rows from the arena's first activation. */
export interface PlanValue {
  name: string;
  width: number;
  stride: number;
  offset: number;
}

/** A recurrent state: `size` float32 at byte `offset` of a stream's slot. */
export interface PlanState {
  name: string;
  size: number;
  offset: number;
  /** What a new stream begins with; zeros where absent. */
  initial?: Float32Array;
}

/** An explicit state of the graph: the names it comes in and goes out by, and the plan's states that hold its row. */
export interface PlanCarried {
  input: string;
  output: string;
  shape: Dim[];
  /** One, or one for each direction, whose rows follow each other. */
  states: string[];
}

/** Packed weights: `count` float32 at byte `offset` of the weights. */
export interface PlanWeights {
  label: string;
  count: number;
  offset: number;
  /** They are four int8 each, which the kernels' build lays out once they are packed. */
  bytes?: true;
}

/** By the label of a pack, what writes it. These hold the graph's tensors, and with them the file; a plan does not. */
export type Packers = ReadonlyMap<string, Packer>;

/** Argument words beside the weights, whose address is itself an argument. */
export interface PlanRecord {
  label: string;
  words: Argument[];
}

export interface PlanCall {
  kernel: KernelName;
  /** The graph's node, for people. */
  node: string;
  /** In the order of the kernel's argument words. */
  arguments: Record<string, Argument>;
}

/** A line of `summary()`. */
export interface PlanLayer {
  name: string;
  op: string;
  shape: Dim[];
  parameters: number;
}

/** What runs: data alone. */
export interface Plan {
  name: string;
  inputs: PlanPort[];
  outputs: PlanPort[];
  /** Inputs that were given once for all, and nothing here needs any more. */
  fixed?: Readonly<Record<string, readonly number[]>>;
  layers: PlanLayer[];
  parameters: number;
  values: PlanValue[];
  /** Bytes of activations for one row, all values together. */
  rowBytes: number;
  states: PlanState[];
  carried: PlanCarried[];
  /** Bytes of a stream's slot. */
  slotBytes: number;
  weights: PlanWeights[];
  /** Bytes of all packed weights. */
  weightBytes: number;
  records: PlanRecord[];
  calls: PlanCall[];
  /** The kernel modules that hold what is called, the core always and first. */
  modules: KernelModule[];
  /** Working memory of the neediest call, in bytes: for each row, for each stream, and once. */
  scratch: { perRow: number; perStream: number; fixed: number };
  /** Why the graph runs on whole sequences only; absent where it streams. */
  wholeSequence?: string;
  /** Whether steps must be executed one at a time. */
  singleSteps: boolean;
}

/** A plan, and what fills its packs of weights. */
export interface Planned {
  plan: Plan;
  packers: Packers;
}

/**
 * Graph -> Plan: folds constants, finds every shape, fuses nodes, lists kernel calls and places values. Weights are packed later, into
 * the arena itself. `operators` are those that a node may name: the core's, or all (src/ops/all.ts).
 *
 * @throws RivuletError `INVALID_GRAPH`, `UNSUPPORTED_OPERATOR` or `UNSUPPORTED_ATTRIBUTE`, naming the node.
 */
export function makePlan(graph: Graph, operators: Operators = OPERATORS): Planned {
  const { widths, packers, ...lowered } = lowerGraph(fuse(inferTypes(fold(graph, operators), operators)));
  const modules = new Set<KernelModule>(['core', ...lowered.calls.map(({ kernel }) => moduleOf(kernel))]);
  return { plan: { ...lowered, ...placeValues(lowered, widths), modules: [...modules] }, packers };
}
