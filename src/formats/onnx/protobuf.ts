import { RivuletError } from '../../errors.js';
import { decodeUtf8 } from '../../io/utf8.js';
import { COPY_AGAIN } from '../hints.js';

/** Messages inside messages. ONNX's own fields reach seven, and each subgraph is three deeper. */
export const MAX_MESSAGE_DEPTH = 40;

/** Where every reader of protobuf stops: a length above it is no sign of a file cut short. */
const MAX_MESSAGE_BYTES = 2 ** 31;

/** How a field's content is written. Groups (3 and 4) are a form that ONNX never had, and are refused. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/**
 * One protobuf message, field by field: `while (message.next()) switch (message.field) ...`. A field that nobody takes
 * is skipped. Every length is checked against the message that holds it before it is used.
 */
export class WireMessage {
  /** Number of the current field. */
  field = 0;
  private wire = VARINT;
  private taken = true;
  private at: number;
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    /** What is being read, for errors: `the model`, `a node`. */
    private readonly what: string,
    private readonly file: string | undefined,
    start = 0,
    private readonly end = bytes.length,
    private readonly depth = 0,
  ) {
    this.at = start;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (!this.taken) this.skip();
    if (this.at === this.end) return false;
    const tag = this.varint();
    this.field = Number(tag >> 3n);
    this.wire = Number(tag & 7n);
    if (this.field === 0 || tag >= 1n << 32n) throw this.wrong('a field number', `${tag >> 3n}`);
    this.taken = false;
    return true;
  }

  /** A signed 64-bit integer. */
  int64(): bigint {
    this.take(VARINT);
    return BigInt.asIntN(64, this.varint());
  }

  /** A signed integer that a number holds exactly. */
  integer(): number {
    const value = this.int64();
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw this.wrong('an integer below 2^53 in size', `${value}`);
  }

  float32(): number {
    this.take(FIXED32);
    return this.view.getFloat32(this.fixed(4), true);
  }

  /** A view of a field's bytes. */
  content(): Uint8Array {
    const [start, end] = this.span();
    return this.bytes.subarray(start, end);
  }

  text(): string {
    const text = decodeUtf8(this.content());
    if (text === undefined) throw this.wrong('text in UTF-8', 'other bytes');
    return text;
  }

  message(what: string): WireMessage {
    if (this.depth >= MAX_MESSAGE_DEPTH) {
      throw new RivuletError('LIMIT_EXCEEDED', 'Messages are nested too deep', {
        file: this.file,
        expected: `at most ${MAX_MESSAGE_DEPTH}`,
      });
    }
    const [start, end] = this.span();
    return new WireMessage(this.bytes, what, this.file, start, end, this.depth + 1);
  }

  /** One number of a repeated field, or, as newer writers do, all of them packed together. */
  integers(into: bigint[]): void {
    this.repeated(VARINT, () => into.push(BigInt.asIntN(64, this.varint())));
  }

  floats(into: number[]): void {
    this.repeated(FIXED32, () => into.push(this.view.getFloat32(this.fixed(4), true)));
  }

  doubles(into: number[]): void {
    this.repeated(FIXED64, () => into.push(this.view.getFloat64(this.fixed(8), true)));
  }

  /** A refusal of this message. */
  wrong(expected: string, found: string): RivuletError {
    return new RivuletError('INVALID_FILE', `Damaged: ${this.what} can't be read`, {
      file: this.file,
      expected,
      found: `${found} at byte ${this.at}`,
    });
  }

  /** A refusal of `size` bytes where so many are not left. */
  private tooFew(size: number | bigint): RivuletError {
    if (this.depth > 0 || size > MAX_MESSAGE_BYTES) {
      return this.wrong(`at most ${this.end - this.at} bytes`, `${size}`);
    }
    return new RivuletError('INVALID_FILE', 'The file is truncated', {
      file: this.file,
      expected: `at least ${this.at + Number(size)} bytes`,
      found: `${this.end}`,
      hint: COPY_AGAIN,
    });
  }

  private repeated(wire: number, read: () => void): void {
    if (this.wire === wire) {
      this.taken = true;
      read();
      return;
    }
    const [start, end] = this.span();
    // The span moved past the content; its numbers are read from the start of it.
    this.at = start;
    while (this.at < end) read();
    if (this.at !== end) throw this.wrong('numbers that end with their field', 'one that runs past it');
  }

  private span(): [number, number] {
    this.take(BYTES);
    const length = this.varint();
    if (length > BigInt(this.end - this.at)) throw this.tooFew(length);
    const start = this.at;
    this.at += Number(length);
    return [start, this.at];
  }

  private take(wire: number): void {
    this.taken = true;
    if (this.wire !== wire) throw this.wrong(`wire type ${wire} of field ${this.field}`, `${this.wire}`);
  }

  private skip(): void {
    this.taken = true;
    if (this.wire === VARINT) this.varint();
    else if (this.wire === FIXED64) this.fixed(8);
    else if (this.wire === FIXED32) this.fixed(4);
    else if (this.wire === BYTES) this.span();
    else throw this.wrong('wire type 0, 1, 2 or 5', `${this.wire}`);
  }

  /** Where `size` bytes stand, which are then behind. */
  private fixed(size: number): number {
    if (size > this.end - this.at) throw this.tooFew(size);
    this.at += size;
    return this.at - size;
  }

  /** Up to ten bytes of seven bits each, the lowest first; 64 bits in all. */
  private varint(): bigint {
    // Almost every one is short, and BigInt arithmetic is slow.
    let low = 0;
    for (let i = 0; i < 4; i++) {
      const byte = this.byte();
      low |= (byte & 127) << (7 * i);
      if (byte < 128) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte >= 128) continue;
      if (value >= 1n << 64n) break;
      return value;
    }
    throw this.wrong('an integer of 64 bits', 'a longer one');
  }

  private byte(): number {
    if (this.at >= this.end) throw this.tooFew(1);
    return this.bytes[this.at++];
  }
}
