import { type FileBytes, nameFrom, UNDEFINED_ADDRESS } from './bytes.js';
import { MESSAGE, type Message } from './header.js';

const ENTRY_BYTES = 40;
const SOFT_LINK = 2;

/** The objects of a group by name: addresses of their headers, in the order in which the file lists them. */
export function readLinks(source: FileBytes, messages: readonly Message[]): Map<string, number> {
  const links = new Map<string, number>();
  const add = (name: string, address: number) => {
    if (name === '' || name === '.' || name.includes('/')) {
      throw source.invalid('A name that no object can have', undefined, JSON.stringify(name.slice(0, 100)));
    }
    if (links.has(name)) throw source.invalid('Two objects have this name', undefined, JSON.stringify(name));
    links.set(name, address);
  };
  for (const { kind, body } of messages) {
    if (kind === MESSAGE.symbolTable) readSymbolTable(source, body.u64(), body.u64(), add);
    else if (kind === MESSAGE.link) {
      body.version(1);
      const flags = body.u8();
      const hard = !(flags & 8) || body.u8() === 0;
      if (flags & 4) body.take(8);
      if (flags & 16) body.take(1);
      const name = nameFrom(body.bytes(body.uint(1 << (flags & 3))), source);
      if (!hard) throw indirect(source, name);
      add(name, body.u64());
    } else if (kind === MESSAGE.linkInfo) {
      body.version(0);
      if (body.u8() & 1) body.take(8);
      if (body.u64() !== UNDEFINED_ADDRESS) {
        throw source.unsupported('A group in the dense form', 'a group as HDF5 writes it by default', 'a fractal heap');
      }
    }
  }
  return links;
}

const indirect = (source: FileBytes, name: string) =>
  source.unsupported('A link that names another object', 'objects', JSON.stringify(name.slice(0, 100)));

/** A tree of symbol nodes, whose names lie in a heap. */
function readSymbolTable(
  source: FileBytes,
  tree: number,
  heapAddress: number,
  add: (name: string, address: number) => void,
): void {
  const heap = source.cursor(heapAddress, 32, 'A heap of names');
  heap.signature('HEAP');
  heap.version(0);
  heap.take(3);
  const size = heap.u64();
  heap.u64();
  const names = source.slice(heap.u64(), size, 'A heap of names');
  for (const node of treeLeaves(source, tree, 0, 8)) {
    const head = source.cursor(node.child, 8, 'A node of names');
    head.signature('SNOD');
    head.version(1);
    head.u8();
    const count = head.u16();
    const entries = source.cursor(head.at, count * ENTRY_BYTES, 'A node of names');
    for (let i = 0; i < count; i++) {
      const [offset, address] = [entries.u64(), entries.u64()];
      if (offset < 0 || offset >= names.length) throw source.invalid('A name lies outside its heap');
      const name = nameFrom(names.subarray(offset), source);
      if (entries.u32() === SOFT_LINK) throw indirect(source, name);
      entries.take(20);
      add(name, address);
    }
  }
}

/** A leaf of a tree: where its key stands, and the address that it leads to. */
export interface Leaf {
  key: number;
  child: number;
}

/**
 * The leaves of a version 1 B-tree from left to right. `kind` is 0 for groups, 1 for chunks.
 * @param keyBytes size of a key.
 */
export function treeLeaves(source: FileBytes, root: number, kind: number, keyBytes: number): Leaf[] {
  const leaves: Leaf[] = [];
  // What is still to be visited, the next last; level is what the node must have.
  const open: { address: number; level: number | undefined }[] = [{ address: root, level: undefined }];
  for (let next = open.pop(); next; next = open.pop()) {
    const head = source.cursor(next.address, 24, 'A tree');
    head.signature('TREE');
    const [found, level, count] = [head.u8(), head.u8(), head.u16()];
    // Levels go down, so that no tree leads back into itself; a node listed many times is counted each time.
    if (found !== kind || (next.level !== undefined && level !== next.level)) {
      throw source.invalid('A tree has a node of another kind', `${kind}, level ${next.level}`, `${found}, ${level}`);
    }
    source.spend('treeNodes', 1 + count);
    const body = source.cursor(next.address + 24, count * (keyBytes + 8) + keyBytes, 'A tree');
    const children: Leaf[] = [];
    for (let i = 0; i < count; i++) children.push({ key: body.take(keyBytes), child: body.u64() });
    if (level === 0) leaves.push(...children);
    else for (const { child } of children.reverse()) open.push({ address: child, level: level - 1 });
  }
  return leaves;
}
