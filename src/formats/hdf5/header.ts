import type { Cursor, FileBytes } from './bytes.js';

/** Kinds of messages by which an object says what it is. */
export const MESSAGE = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  link: 0x06,
  layout: 0x08,
  filters: 0x0b,
  attribute: 0x0c,
  continuation: 0x10,
  symbolTable: 0x11,
  attributeInfo: 0x15,
} as const;

/** Kinds that change nothing for a reader: padding, fill values, hints for groups, times, comments, counts. */
const SKIPPED: ReadonlySet<number> = new Set([0x00, 0x04, 0x05, 0x0a, 0x0d, 0x0e, 0x12, 0x13, 0x16]);
const KNOWN: ReadonlySet<number> = new Set(Object.values(MESSAGE));
/** A message that is kept elsewhere, with others that are the same. */
const SHARED = 2;

export interface Message {
  kind: number;
  body: Cursor;
}

/** The messages of the object whose header stands at `address`, in order. */
export function readHeader(source: FileBytes, address: number): Message[] {
  const reader = new HeaderReader(source);
  return String.fromCharCode(...source.slice(address, 4, 'An object')) === 'OHDR'
    ? reader.readNew(address)
    : reader.readOld(address);
}

class HeaderReader {
  private readonly messages: Message[] = [];
  /** Blocks of messages still to be read: address and length. */
  private readonly blocks: [address: number, length: number][] = [];

  constructor(private readonly source: FileBytes) {}

  /** Version 1: what HDF5 writes by default. */
  readOld(address: number): Message[] {
    const head = this.source.cursor(address, 16, 'An object');
    head.version(1);
    head.u8();
    const count = head.u16();
    head.u32();
    // Behind the length four bytes are padding.
    this.blocks.push([head.at + 8, head.u32()]);
    let left = count;
    this.eachBlock((block) => {
      // Rest of a block too short for a message is padding.
      while (left > 0 && block.left >= 8) {
        const [kind, size, flags] = [block.u16(), block.u16(), block.u8()];
        block.take(3);
        this.add(kind, flags, block, size);
        left--;
      }
    });
    return this.messages;
  }

  /** Version 2: what HDF5 writes when it may use what is new. */
  readNew(address: number): Message[] {
    const head = this.source.cursor(address, Math.min(64, this.source.bytes.length - address), 'An object');
    head.signature('OHDR');
    head.version(2);
    const flags = head.u8();
    if (flags & 0x20) head.take(16);
    if (flags & 0x10) head.take(4);
    const length = head.uint(1 << (flags & 3));
    this.blocks.push([head.at, length]);
    const extra = flags & 4 ? 2 : 0;
    let first = true;
    this.eachBlock((block) => {
      if (!first) block.signature('OCHK');
      // A checksum ends the blocks that follow the first, whose own stands behind it.
      const end = block.end - (first ? 0 : 4);
      first = false;
      while (end - block.at >= 4 + extra) {
        const [kind, size, messageFlags] = [block.u8(), block.u16(), block.u8()];
        block.take(extra);
        this.add(kind, messageFlags, block, size);
      }
    });
    return this.messages;
  }

  private eachBlock(read: (block: Cursor) => void): void {
    const seen = new Set<number>();
    for (let next = this.blocks.shift(); next; next = this.blocks.shift()) {
      const [address, length] = next;
      if (seen.has(address)) throw this.source.invalid('The header of an object goes on where it was before');
      seen.add(address);
      read(this.source.cursor(address, length, 'The header of an object'));
    }
  }

  private add(kind: number, flags: number, block: Cursor, size: number): void {
    const body = this.source.cursor(block.take(size), size, 'A message of an object');
    this.source.spend('messages');
    if (kind === MESSAGE.continuation) this.blocks.push([body.u64(), body.u64()]);
    else if (KNOWN.has(kind)) {
      if (flags & SHARED) throw this.source.unsupported('A shared message', 'messages of its own', `kind ${kind}`);
      this.messages.push({ kind, body });
    } else if (!SKIPPED.has(kind)) {
      throw this.source.unsupported('An object has a message of a kind that is not read', 'known kinds', `${kind}`);
    }
  }
}
