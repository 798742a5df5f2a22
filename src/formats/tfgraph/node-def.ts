import type { JsonObject } from '../json.js';

/** TensorFlow's GraphDef as plain data. */

/** An output of a node, or an argument of a function: `name:0`, `name:1`, ... */
export type Ref = string;

export interface NodeDef {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly Ref[];
  readonly attributes: JsonObject;
}

/** The nodes of a graph or function, by name. */
export type Nodes = ReadonlyMap<string, NodeDef>;

export interface FunctionDef {
  readonly nodes: Nodes;
  readonly inputs: readonly Ref[];
  readonly outputs: readonly Ref[];
}

export interface GraphDef {
  readonly nodes: Nodes;
  readonly functions: ReadonlyMap<string, FunctionDef>;
}

export const refOf = (node: string, output = 0): Ref => `${node}:${output}`;

/** The node of a reference. No name holds a colon. */
export const nodeOf = (ref: Ref): string => ref.slice(0, ref.lastIndexOf(':'));

export const outputOf = (ref: Ref): number => Number(ref.slice(ref.lastIndexOf(':') + 1));
