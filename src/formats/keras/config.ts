import { type ErrorCode, type ErrorDetails, RivuletError } from '../../errors.js';
import type { Json, JsonObject } from '../json.js';

/** Keys of every layer that change nothing in what it computes once it is trained. */
const IDLE = new Set(['name', 'trainable', 'dtype', 'batch_input_shape', 'batch_shape', 'input_dtype', 'autocast']);
const IDLE_ENDINGS = /_(initializer|regularizer|constraint)$/;

/** Types that are computed with as float32 is: narrower ones at least as exactly. */
const DTYPES = /^(float32|float64|float16|bfloat16|mixed_float16|mixed_bfloat16|int32|int64|uint8|bool|string)$/;

/**
 * The `config` of one layer, read by somebody who knows its keys. A key that nobody reads is refused: it may change the
 * result. `null` counts as absent, as TensorFlow.js writes it.
 */
export class Config {
  private readonly read = new Set<string>();

  constructor(
    private readonly object: JsonObject,
    /** The layer's name, for errors. */
    readonly layer: string,
    /** The layer's class, for errors. */
    readonly className: string,
    readonly file: string | undefined,
  ) {}

  has(key: string): boolean {
    return (this.object.get(key) ?? null) !== null;
  }

  /** Whether the value is `null`, which some keys tell from an absent one. */
  isNull(key: string): boolean {
    return this.object.get(key) === null;
  }

  /** The value as it stands; undefined where it is absent. */
  get(key: string): Json | undefined {
    this.read.add(key);
    return this.object.get(key) ?? undefined;
  }

  boolean(key: string, fallback?: boolean): boolean {
    return this.typed(key, fallback, 'true or false', (value) => typeof value === 'boolean');
  }

  number(key: string, fallback?: number): number {
    return this.typed(key, fallback, 'a number', (value) => typeof value === 'number');
  }

  text(key: string, fallback?: string): string {
    return this.typed(key, fallback, 'a text', (value) => typeof value === 'string');
  }

  /** A positive integer. */
  count(key: string, fallback?: number): number {
    return this.typed(key, fallback, 'an integer above 0', isCount);
  }

  integer(key: string, fallback?: number): number {
    return this.typed(key, fallback, 'an integer', (value) => Number.isSafeInteger(value));
  }

  /** A list of integers, or one that stands for a list of itself. */
  integers(key: string): number[] {
    const value = this.get(key);
    const list = Array.isArray(value) ? value : [value];
    if (list.every((item) => Number.isSafeInteger(item))) return list as number[];
    throw this.wrong(key, 'an integer, or a list of them', value);
  }

  /** The same of one axis: a count, alone or in a list. */
  single(key: string, fallback: number): number {
    if (!this.has(key)) return fallback;
    const list = this.integers(key);
    if (list.length === 1 && isCount(list[0])) return list[0];
    throw this.wrong(key, 'one integer above 0', this.object.get(key));
  }

  /** Refuses any other value than these; an absent one stands for the first. */
  only(key: string, ...allowed: (string | number | boolean)[]): void {
    const value = this.get(key);
    if (value === undefined || allowed.some((one) => one === value)) return;
    throw this.unsupported(key, allowed.map((one) => JSON.stringify(one)).join(' or '), value);
  }

  /** Marks keys as read that change nothing here. */
  ignore(...keys: string[]): void {
    for (const key of keys) this.read.add(key);
  }

  /** Marks as read what another config says in the same words. */
  ignoreCopies(other: JsonObject): void {
    for (const [key, value] of other) if (sameJson(this.object.get(key), value)) this.read.add(key);
  }

  /** To be called when all known keys have been read. */
  end(): void {
    const dtype = this.object.get('dtype') ?? 'float32';
    const policy = dtype instanceof Map ? policyOf(dtype) : dtype;
    if (typeof policy !== 'string' || !DTYPES.test(policy)) throw this.unsupported('dtype', 'a dtype policy', dtype);
    for (const [key, value] of this.object) {
      if (this.read.has(key) || IDLE.has(key) || IDLE_ENDINGS.test(key) || value === null) continue;
      throw this.unsupported(key, 'a key that is known', value);
    }
  }

  /** The refusal of a value that is known and not implemented. */
  unsupported(key: string, expected: string, found: Json | undefined): RivuletError {
    return this.fail('UNSUPPORTED_ATTRIBUTE', `${this.className}: "${key}"`, { expected, found: show(found) });
  }

  wrong(key: string, expected: string, found: Json | undefined): RivuletError {
    return this.fail('INVALID_FILE', `${this.className}: "${key}" is wrong`, { expected, found: show(found) });
  }

  fail(code: ErrorCode, what: string, details: ErrorDetails = {}): RivuletError {
    return new RivuletError(code, what, { file: this.file, node: this.layer, ...details });
  }

  private typed<T>(key: string, fallback: T | undefined, expected: string, fits: (value: Json) => boolean): T {
    const value = this.get(key);
    if (value === undefined) {
      if (fallback !== undefined) return fallback;
      throw this.wrong(key, expected, undefined);
    }
    if (fits(value)) return value as T;
    throw this.wrong(key, expected, value);
  }
}

const isCount = (value: Json | undefined): boolean => Number.isSafeInteger(value) && (value as number) > 0;

/** The name within `{"class_name": "DTypePolicy", "config": {"name": ...}}`, or Keras 2's `Policy`. */
function policyOf(dtype: JsonObject): Json | undefined {
  const config = dtype.get('config');
  const plain = dtype.get('class_name') === 'DTypePolicy' || dtype.get('class_name') === 'Policy';
  return plain && config instanceof Map ? config.get('name') : undefined;
}

function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  if (!(a instanceof Map)) return a === b;
  return b instanceof Map && a.size === b.size && [...a].every(([key, item]) => sameJson(item, b.get(key)));
}

/** A JSON value in a few characters. */
export function show(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  if (value instanceof Map) {
    const name = value.get('class_name');
    return typeof name === 'string' ? name.slice(0, 60) : 'an object';
  }
  const text = Array.isArray(value) ? `[${value.slice(0, 8).map(show).join(', ')}]` : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
