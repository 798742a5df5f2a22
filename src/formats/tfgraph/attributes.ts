import { RivuletError } from '../../errors.js';
import type { DataType } from '../../graph/graph.js';
import type { Json } from '../json.js';
import type { NodeDef } from './node-def.js';

/** TensorFlow's element types by the names and numbers of its enum, as far as graphs have them. */
const TYPES: readonly (readonly [name: string, number: number, type: DataType])[] = [
  ['DT_FLOAT', 1, 'float32'],
  ['DT_DOUBLE', 2, 'float64'],
  ['DT_INT32', 3, 'int32'],
  ['DT_UINT8', 4, 'uint8'],
  ['DT_INT16', 5, 'int16'],
  ['DT_INT8', 6, 'int8'],
  ['DT_INT64', 9, 'int64'],
  ['DT_BOOL', 10, 'bool'],
  ['DT_BFLOAT16', 14, 'bfloat16'],
  ['DT_HALF', 19, 'float16'],
];

/** Types of what is computed, which inputs say too, and advice on how to compute it. */
const IDLE = new Set([
  ...['T', 'U', 'Tidx', 'Tperm', 'Tshape', 'Tdim', 'Tdims', 'Taxis', 'Tindices', 'Tparams', 'Tpaddings', 'Tmultiples'],
  ...['TI', 'Tlen', 'Index', 'N', 'index_type', 'shape_type', 'element_dtype', 'num_args', 'Targs', 'TArgs'],
  ...['grad_a', 'grad_b', 'grad_x', 'grad_y', 'use_cudnn_on_gpu', 'validate_indices', 'parallel_iterations'],
]);

/** Inputs whose shape is given by rank or axis: a number, or -1 for any length. Undefined where nothing is said. */
export type TensorShape = number[] | undefined;

/** The attributes of one node, each read by its type; what is left unread is refused. */
export class Attributes {
  private readonly read = new Set<string>();

  constructor(
    private readonly node: NodeDef,
    private readonly file: string | undefined,
  ) {}

  has(name: string): boolean {
    return this.node.attributes.has(name);
  }

  flag(name: string, fallback = false): boolean {
    const value = this.value(name, 'b');
    if (value === undefined) return fallback;
    if (typeof value === 'boolean') return value;
    throw this.wrong(name, 'true or false', value);
  }

  /** An integer: 64 bits are printed as text. */
  integer(name: string, fallback: number): number {
    const value = this.value(name, 'i');
    return value === undefined ? fallback : this.toInteger(name, value);
  }

  integers(name: string): number[] | undefined {
    return this.list(name, 'i')?.map((value) => this.toInteger(name, value));
  }

  float(name: string, fallback: number): number {
    const value = this.value(name, 'f');
    if (value === undefined) return fallback;
    if (typeof value === 'number') return value;
    throw this.wrong(name, 'a finite number', value);
  }

  text(name: string): string | undefined {
    const value = this.value(name, 's');
    return value === undefined ? undefined : this.toText(name, value);
  }

  texts(name: string): string[] {
    return (this.list(name, 's') ?? []).map((value) => this.toText(name, value));
  }

  /** The element type, or undefined where graphs have no such one. */
  type(name: string): DataType | undefined {
    const value = this.value(name, 'type');
    return TYPES.find(([word, number]) => value === word || value === number)?.[2];
  }

  /** A shape, -1 for lengths that are not known; undefined where even the number of axes is not. */
  shape(name: string): TensorShape {
    const value = this.value(name, 'shape');
    if (value === undefined) return undefined;
    if (value instanceof Map) return shapeOf(value, (found) => this.wrong(name, 'a shape', found));
    throw this.wrong(name, 'a shape', value);
  }

  /** The function that an attribute names. */
  function(name: string): string {
    const value = this.value(name, 'func');
    const found = value instanceof Map ? value.get('name') : undefined;
    if (typeof found === 'string') return found;
    throw this.wrong(name, 'a function', value ?? null);
  }

  /** Marks attributes as read that change nothing here. */
  ignore(...names: string[]): void {
    for (const name of names) this.read.add(name);
  }

  /** Refuses what nobody has read. */
  end(): void {
    for (const [name, value] of this.node.attributes) {
      if (name.startsWith('_') || IDLE.has(name) || this.read.has(name)) continue;
      throw new RivuletError('UNSUPPORTED_ATTRIBUTE', `${this.node.op}: attribute "${name.slice(0, 100)}"`, {
        file: this.file,
        node: this.node.name,
        found: show(value),
      });
    }
  }

  private list(name: string, kind: string): Json[] | undefined {
    const list = this.value(name, 'list');
    if (list === undefined) return undefined;
    // An empty list says no kind.
    const values = list instanceof Map ? (list.get(kind) ?? []) : undefined;
    if (Array.isArray(values)) return values;
    throw this.wrong(name, 'a list', list);
  }

  private value(name: string, kind: string): Json | undefined {
    this.read.add(name);
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return undefined;
    const value = attribute instanceof Map ? attribute.get(kind) : undefined;
    if (value !== undefined) return value;
    throw this.wrong(name, `a value of the kind "${kind}"`, attribute);
  }

  private toInteger(name: string, value: Json): number {
    const number = typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
    if (Number.isSafeInteger(number)) return number as number;
    throw this.wrong(name, 'an integer', value);
  }

  /** Bytes in base64, or one by one as old converters wrote them. */
  private toText(name: string, value: Json): string {
    if (typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value) && value.length % 4 === 0) return atob(value);
    if (Array.isArray(value) && value.every((code) => typeof code === 'number')) return String.fromCharCode(...value);
    throw this.wrong(name, 'bytes in base64', value);
  }

  private wrong(name: string, expected: string, found: Json): RivuletError {
    return new RivuletError('INVALID_FILE', `${this.node.op}: attribute "${name}" has the wrong type`, {
      file: this.file,
      node: this.node.name,
      expected,
      found: show(found),
    });
  }
}

/** A TensorShapeProto: -1 for lengths that are not known; undefined where the rank is not. */
export function shapeOf(shape: ReadonlyMap<string, Json>, wrong: (found: Json) => RivuletError): TensorShape {
  if (shape.get('unknownRank') === true) return undefined;
  const dims = shape.get('dim') ?? [];
  if (!Array.isArray(dims)) throw wrong(dims);
  return dims.map((dim) => {
    // Protobuf leaves out a zero.
    const size = dim instanceof Map ? (dim.get('size') ?? 0) : dim;
    const number = typeof size === 'string' && /^-?\d{1,16}$/.test(size) ? Number(size) : size;
    if (!Number.isSafeInteger(number) || (number as number) < -1) throw wrong(size);
    return number as number;
  });
}

function show(value: Json): string {
  const text = JSON.stringify(value instanceof Map ? Object.fromEntries(value) : value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
