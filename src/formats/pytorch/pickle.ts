import { RivuletError } from '../../errors.js';
import { decodeUtf8 } from '../../io/utf8.js';

/**
 * Reads the pickles that torch.save makes of a state dict, and nothing else. A pickle is a program for a small stack
 * machine; this one knows the instructions that build plain data, and hands the few functions that state dicts call to
 * `PickleHost`, which knows them by name. It runs no code of the file's, and refuses what it does not know.
 */

const PICKLE_LIMITS = {
  /** Bytes of one pickle: the structure alone, for the tensors' bytes lie elsewhere. Real ones are below 1 MB. */
  bytes: 16 * 1024 * 1024,
  /** Values made. A tensor takes about twenty-five, so this is some twenty thousand tensors. */
  values: 524_288,
  /** Values on the stack at once. Python sets a dict's items a thousand at a time. */
  stack: 65_536,
  /** Values remembered for later use. */
  memo: 1_048_576,
  /** Open marks, which is how deep tuples and dicts may be under construction within each other. */
  marks: 256,
  /** Bytes of one text. */
  text: 65_536,
  /** Bytes of one integer; torch's magic number has ten. */
  integer: 16,
  /** Characters of a module's or a function's name. */
  globalName: 512,
} as const;

export interface PyTuple {
  kind: 'tuple';
  items: Value[];
}
export interface PyList {
  kind: 'list';
  items: Value[];
}
export interface PyDict {
  kind: 'dict';
  items: Map<string | number | bigint | boolean | null, Value>;
  /** Attributes that BUILD gave it: an OrderedDict may have some. */
  attributes?: PyDict;
}
/** A function or class by its full name, which the host allowed. */
export interface PyGlobal {
  kind: 'global';
  name: string;
}
/** Something of the host's, which the machine only passes around. */
export interface PyOpaque {
  kind: 'storage' | 'tensor';
}
export type Value = null | boolean | number | bigint | string | PyTuple | PyList | PyDict | PyGlobal | PyOpaque;

/** What the machine leaves to those who know torch. Each may throw a RivuletError. */
export interface PickleHost {
  /** Allows a global, or refuses it. */
  global(module: string, name: string): PyGlobal;
  /** What calling an allowed global gives. */
  call(callee: PyGlobal, args: Value[]): Value;
  /** What a persistent id stands for. */
  persistent(id: Value): Value;
}

export const isDict = (value: Value | undefined): value is PyDict => kindOf(value) === 'dict';
export const isTuple = (value: Value | undefined): value is PyTuple => kindOf(value) === 'tuple';
export const isList = (value: Value | undefined): value is PyList => kindOf(value) === 'list';
export const isGlobal = (value: Value | undefined): value is PyGlobal => kindOf(value) === 'global';

const kindOf = (value: Value | undefined) => (typeof value === 'object' && value !== null ? value.kind : undefined);

/** A few words on a value, for errors. */
export function describeValue(value: Value | undefined): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value !== 'object' || value === null) return String(value).slice(0, 60);
  return value.kind === 'global' ? value.name.slice(0, 100) : `a ${value.kind}`;
}

/**
 * Runs one pickle, which begins at `begin`.
 * @returns what it builds, and where it ends.
 * @throws RivuletError `INVALID_FILE`, `LIMIT_EXCEEDED`, and what `host` throws.
 */
export function unpickle(
  bytes: Uint8Array,
  begin: number,
  host: PickleHost,
  file?: string,
): { value: Value; end: number } {
  return new Machine(bytes, begin, host, file).run();
}

/** Not a value: what MARK pushes, so that a later instruction finds where its arguments begin. */
const MARK = Symbol('mark');

class Machine {
  private readonly stack: (Value | typeof MARK)[] = [];
  private readonly memo = new Map<number, Value>();
  private readonly view: DataView;
  private readonly limit: number;
  private marks = 0;
  private values = 0;
  private at: number;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly begin: number,
    private readonly host: PickleHost,
    private readonly file: string | undefined,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.limit = Math.min(bytes.length, begin + PICKLE_LIMITS.bytes);
    this.at = begin;
  }

  run(): { value: Value; end: number } {
    if (this.byte() !== 0x80 || this.byte() !== 2) {
      throw this.error(
        'Not a pickle of protocol 2',
        'the bytes 80 02',
        'others',
        'Save with torch.save and its defaults',
      );
    }
    for (;;) {
      const code = this.byte();
      if (code === 0x2e) break; // STOP
      this.execute(code);
      if (this.stack.length > PICKLE_LIMITS.stack) throw this.tooMuch('Too many values on the stack', 'stack');
    }
    const value = this.pop();
    if (this.stack.length > 0) throw this.error('The pickle leaves values behind', 'one', `${this.stack.length + 1}`);
    return { value, end: this.at };
  }

  /** Instructions that change what is on the stack; the others put something there. */
  private execute(code: number): void {
    switch (code) {
      case 0x28: // MARK
        if (++this.marks > PICKLE_LIMITS.marks) throw this.tooMuch('Too many open marks', 'marks');
        this.stack.push(MARK);
        break;
      case 0x61: // APPEND
        this.append([this.pop()]);
        break;
      case 0x65: // APPENDS
        this.append(this.popToMark());
        break;
      case 0x73: // SETITEM
        this.setItems(this.popMany(2));
        break;
      case 0x75: // SETITEMS
        this.setItems(this.popToMark());
        break;
      case 0x71: // BINPUT
        this.remember(this.byte());
        break;
      case 0x72: // LONG_BINPUT
        this.remember(this.view.getUint32(this.take(4), true));
        break;
      case 0x62: // BUILD
        this.build();
        break;
      default:
        if (++this.values > PICKLE_LIMITS.values) throw this.tooMuch('Too many values', 'values');
        this.stack.push(this.make(code));
    }
  }

  /** The value that an instruction makes, of what follows it and what it takes from the stack. */
  private make(code: number): Value {
    switch (code) {
      case 0x4e: // NONE
        return null;
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
      case 0x4a: // BININT
        return this.view.getInt32(this.take(4), true);
      case 0x4b: // BININT1
        return this.byte();
      case 0x4d: // BININT2
        return this.view.getUint16(this.take(2), true);
      case 0x8a: // LONG1
        return this.integer(this.byte());
      case 0x47: // BINFLOAT, the one number that is big-endian
        return this.view.getFloat64(this.take(8), false);
      case 0x58: // BINUNICODE
        return this.text(this.view.getUint32(this.take(4), true));
      case 0x29: // EMPTY_TUPLE
        return { kind: 'tuple', items: [] };
      case 0x85: // TUPLE1, TUPLE2, TUPLE3
      case 0x86:
      case 0x87:
        return { kind: 'tuple', items: this.popMany(code - 0x84) };
      case 0x74: // TUPLE
        return { kind: 'tuple', items: this.popToMark() };
      case 0x5d: // EMPTY_LIST
        return { kind: 'list', items: [] };
      case 0x7d: // EMPTY_DICT
        return { kind: 'dict', items: new Map() };
      case 0x68: // BINGET
        return this.recall(this.byte());
      case 0x6a: // LONG_BINGET
        return this.recall(this.view.getUint32(this.take(4), true));
      case 0x63: // GLOBAL
        return this.host.global(this.line(), this.line());
      case 0x51: // BINPERSID
        return this.host.persistent(this.pop());
      case 0x52: // REDUCE
        return this.reduce();
      default:
        throw this.error(
          'A pickle instruction that no state dict needs',
          'plain data and tensors',
          `0x${code.toString(16)} at byte ${this.at - 1 - this.begin}`,
          SAVE_STATE_DICT,
        );
    }
  }

  private reduce(): Value {
    const args = this.pop();
    const callee = this.pop();
    if (!isGlobal(callee) || !isTuple(args)) {
      throw this.error('A call of something that is no function', undefined, describeValue(callee));
    }
    return this.host.call(callee, args.items);
  }

  /** A state dict is an OrderedDict that has an attribute: the versions of its modules. */
  private build(): void {
    const attributes = this.pop();
    const target = this.top();
    if (!isDict(target) || !isDict(attributes) || target.attributes) {
      throw this.error('Attributes for something that has none', 'an OrderedDict', describeValue(target));
    }
    target.attributes = attributes;
  }

  private append(values: Value[]): void {
    const list = this.top();
    if (!isList(list)) throw this.error('Items for something that is no list', 'a list', describeValue(list));
    for (const value of values) list.items.push(value);
  }

  private setItems(pairs: Value[]): void {
    const dict = this.top();
    if (!isDict(dict)) throw this.error('Items for something that is no dict', 'a dict', describeValue(dict));
    if (pairs.length % 2 !== 0) throw this.error('A key without a value', 'pairs', `${pairs.length} values`);
    for (let i = 0; i < pairs.length; i += 2) {
      const key = pairs[i];
      if (typeof key === 'object' && key !== null) {
        throw this.error('A key that is no text or number', undefined, describeValue(key));
      }
      if (dict.items.has(key)) throw this.error('A key is given twice', undefined, describeValue(key));
      dict.items.set(key, pairs[i + 1]);
    }
  }

  private remember(index: number): void {
    if (index >= PICKLE_LIMITS.memo) throw this.tooMuch('Too many remembered values', 'memo');
    this.memo.set(index, this.top());
  }

  private recall(index: number): Value {
    const value = this.memo.get(index);
    if (value === undefined) throw this.error('Recalls what was not remembered', undefined, `number ${index}`);
    return value;
  }

  private top(): Value {
    const value = this.stack.at(-1);
    if (value === undefined || value === MARK) throw this.error('The pickle takes a value where there is none');
    return value as Value;
  }

  private pop(): Value {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  private popMany(count: number): Value[] {
    const values: Value[] = [];
    for (let i = 0; i < count; i++) values.unshift(this.pop());
    return values;
  }

  private popToMark(): Value[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) throw this.error('The pickle takes values where there are none', 'a mark');
    this.marks--;
    const values = this.stack.splice(mark) as Value[];
    values.shift();
    return values;
  }

  private byte(): number {
    return this.bytes[this.take(1)];
  }

  /** Where the next `count` bytes begin. */
  private take(count: number): number {
    const begin = this.at;
    if (begin + count > this.limit) {
      if (this.limit < this.bytes.length) throw this.tooMuch('A pickle is too long', 'bytes');
      throw this.error('The pickle is truncated', `${count} more bytes`, `${this.limit - begin}`);
    }
    this.at += count;
    return begin;
  }

  /** Two's complement, the lowest byte first. */
  private integer(length: number): number | bigint {
    if (length > PICKLE_LIMITS.integer) throw this.tooMuch('An integer is too long', 'integer');
    const begin = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[begin + i]);
    const signed = BigInt.asIntN(8 * length, value);
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }

  private text(length: number): string {
    if (length > PICKLE_LIMITS.text) throw this.tooMuch('A text is too long', 'text');
    const begin = this.take(length);
    const text = decodeUtf8(this.bytes.subarray(begin, begin + length));
    if (text === undefined) throw this.error('A text in the pickle is not UTF-8');
    return text;
  }

  /** The name of a module or function, which ends with a line feed. */
  private line(): string {
    const begin = this.at;
    while (this.byte() !== 0x0a) {
      if (this.at - begin > PICKLE_LIMITS.globalName) throw this.tooMuch('A name is too long', 'globalName');
    }
    return String.fromCharCode(...this.bytes.subarray(begin, this.at - 1));
  }

  private error(what: string, expected?: string, found?: string, hint?: string): RivuletError {
    return new RivuletError('INVALID_FILE', what, { file: this.file, expected, found, hint });
  }

  private tooMuch(what: string, limit: keyof typeof PICKLE_LIMITS): RivuletError {
    return new RivuletError('LIMIT_EXCEEDED', what, { file: this.file, expected: `at most ${PICKLE_LIMITS[limit]}` });
  }
}

/** The way out of every file that holds more than weights. */
export const SAVE_STATE_DICT = 'Save the weights alone: torch.save(model.state_dict(), "model.pt")';
