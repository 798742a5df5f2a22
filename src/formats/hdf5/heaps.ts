import { type Cursor, type FileBytes, zeroEnded } from './bytes.js';

/** The global heaps, in which strings of any length lie; each is read once. */
export class TextHeaps {
  private readonly heaps = new Map<number, Map<number, Uint8Array>>();

  constructor(private readonly source: FileBytes) {}

  /** The string that is referred to at the cursor: by its length, its heap's address, and its number there. */
  text(cursor: Cursor): string {
    const [length, address, number] = [cursor.u32(), cursor.u64(), cursor.u32()];
    if (length === 0) return '';
    const entry = this.heapAt(address).get(number);
    if (!entry || entry.length < length) {
      const found = entry ? `${entry.length} bytes` : 'nothing';
      throw this.source.invalid('A string is missing from its heap', `${length} bytes as number ${number}`, found);
    }
    this.source.spend('textBytes', length);
    return zeroEnded(entry.subarray(0, length), this.source);
  }

  private heapAt(address: number): Map<number, Uint8Array> {
    const known = this.heaps.get(address);
    if (known) return known;
    const head = this.source.cursor(address, 16, 'A heap');
    head.signature('GCOL');
    head.version(1);
    head.take(3);
    const body = this.source.cursor(address + 16, head.u64() - 16, 'A heap');
    const entries = new Map<number, Uint8Array>();
    while (body.left >= 16) {
      const number = body.u16();
      body.take(6);
      const size = body.u64();
      // What is free comes last.
      if (number === 0) break;
      this.source.spend('heapEntries');
      entries.set(number, body.bytes(size));
      body.take(Math.min(body.left, -size & 7));
    }
    this.heaps.set(address, entries);
    return entries;
  }
}
