import { RivuletError } from '../errors.js';
import type { Dim, GraphNode, Tensor } from '../graph/graph.js';
import { toFloat32, toIntegers } from '../graph/tensor.js';
import type { ValueType } from './operator.js';

/** A node as an operator sees it: its attributes with their types checked, its inputs with their types and shapes. */
export class NodeReader {
  constructor(
    readonly node: GraphNode,
    private readonly inputTypes: readonly (ValueType | undefined)[],
    private readonly constants: ReadonlyMap<string, Tensor>,
  ) {}

  /** Whether input i is given. */
  has(i: number): boolean {
    return (this.node.inputs[i] ?? '') !== '';
  }

  shape(i: number): Dim[] {
    return this.typeOf(i).shape;
  }

  typeOf(i: number): ValueType {
    const type = this.inputTypes[i];
    if (!type) throw this.malformed(`input ${i} is missing`, 'a value', 'nothing');
    return type;
  }

  /** Input i as a constant, or undefined where it is absent or computed. */
  constant(i: number): Tensor | undefined {
    return this.constants.get(this.node.inputs[i] ?? '');
  }

  /** Input i as constant float32, row-major. */
  floats(i: number): Float32Array {
    return toFloat32(this.needConstant(i));
  }

  /** Input i as constant integers. */
  integers(i: number): number[] {
    return toIntegers(this.needConstant(i));
  }

  /** Requires input i to be a constant. */
  expectConstant(i: number): void {
    this.needConstant(i);
  }

  private needConstant(i: number): Tensor {
    const tensor = this.constant(i);
    if (tensor) return tensor;
    throw this.unsupported(`input ${i} is computed at run time`, 'a constant', this.node.inputs[i] || 'nothing');
  }

  number(name: string, fallback: number): number {
    const value = this.node.attributes[name];
    if (value === undefined) return fallback;
    if (typeof value === 'number') return value;
    throw this.wrongAttribute(name, 'a number');
  }

  integer(name: string, fallback: number): number {
    const value = this.number(name, fallback);
    if (Number.isSafeInteger(value)) return value;
    throw this.wrongAttribute(name, 'an integer');
  }

  text(name: string, fallback: string, allowed: readonly string[]): string {
    const value = this.node.attributes[name] ?? fallback;
    if (typeof value === 'string' && allowed.includes(value)) return value;
    throw this.wrongAttribute(name, allowed.join(' or '));
  }

  list<T extends 'number' | 'string'>(name: string, of: T): (T extends 'number' ? number : string)[] | undefined {
    const value = this.node.attributes[name];
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((item) => typeof item === of)) return value as never;
    throw this.wrongAttribute(name, `a list of ${of}s`);
  }

  /** An axis counted from the front. */
  axis(value: number, rank: number): number {
    const axis = value < 0 ? value + rank : value;
    if (Number.isInteger(axis) && axis >= 0 && axis < rank) return axis;
    throw this.malformed('axis is out of range', `-${rank}..${rank - 1}`, String(value));
  }

  /** Requires a constant's shape. */
  expectShape(i: number, what: string, expected: readonly Dim[]): void {
    const found = this.shape(i);
    if (found.length === expected.length && found.every((dim, axis) => dim === expected[axis])) return;
    throw this.malformed(`${what} has the wrong shape`, `[${expected.join(', ')}]`, `[${found.join(', ')}]`, i);
  }

  malformed(what: string, expected: string, found: string, input?: number): RivuletError {
    const tensor = input === undefined ? undefined : this.node.inputs[input];
    return new RivuletError('INVALID_GRAPH', `${this.node.op}: ${what}`, {
      node: this.node.name,
      tensor,
      expected,
      found,
    });
  }

  unsupported(what: string, expected: string, found: string, hint?: string): RivuletError {
    return new RivuletError('UNSUPPORTED_OPERATOR', `${this.node.op}: ${what}`, {
      node: this.node.name,
      expected,
      found,
      hint,
    });
  }

  wrongAttribute(name: string, expected: string): RivuletError {
    return new RivuletError('UNSUPPORTED_ATTRIBUTE', `${this.node.op}: attribute "${name}"`, {
      node: this.node.name,
      expected,
      found: JSON.stringify(this.node.attributes[name]),
    });
  }
}
