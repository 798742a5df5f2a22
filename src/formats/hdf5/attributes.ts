import { type Cursor, type FileBytes, nameFrom, UNDEFINED_ADDRESS, zeroEnded } from './bytes.js';
import { MESSAGE, type Message } from './header.js';
import type { TextHeaps } from './heaps.js';
import { type ElementType, readElementType, readShape } from './types.js';

/** An attribute of a group or dataset, decoded when it is asked for. */
export class Attribute {
  constructor(
    readonly name: string,
    private readonly type: ElementType,
    private readonly shape: readonly number[],
    private readonly data: Cursor,
    private readonly heaps: TextHeaps,
  ) {}

  /** Its strings; none where it is an empty array of anything. Undefined where it holds something else. */
  texts(): string[] | undefined {
    const { source } = this.data;
    const count = this.shape.reduce((product, length) => product * length, 1);
    if (count === 0) return [];
    if (this.type.kind !== 'text' && this.type.kind !== 'long text') return undefined;
    const { kind, size } = this.type;
    // Strings of no length cost something too.
    source.spend('textBytes', count * Math.max(size, 1));
    // Read anew each time: the cursor itself stays where it is.
    const cursor = source.cursor(this.data.at, count * size, `The attribute "${this.name}"`);
    return Array.from({ length: count }, () =>
      kind === 'text' ? zeroEnded(cursor.bytes(size), source) : this.heaps.text(cursor),
    );
  }

  /** Its one string. Undefined where it holds something else. */
  text(): string | undefined {
    const texts = this.texts();
    return texts?.length === 1 ? texts[0] : undefined;
  }
}

/** Attributes by name, from an object's messages. */
export function readAttributes(
  source: FileBytes,
  messages: readonly Message[],
  heaps: TextHeaps,
): Map<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  for (const { kind, body } of messages) {
    if (kind === MESSAGE.attributeInfo) {
      body.version(0);
      if (body.u8() & 1) body.take(2);
      if (body.u64() !== UNDEFINED_ADDRESS) {
        throw source.unsupported('Attributes in the dense form', 'attributes in the header', 'a fractal heap');
      }
    } else if (kind === MESSAGE.attribute) {
      const attribute = readAttribute(source, body, heaps);
      if (attributes.has(attribute.name)) {
        throw source.invalid('Two attributes have this name', undefined, JSON.stringify(attribute.name.slice(0, 100)));
      }
      attributes.set(attribute.name, attribute);
    }
  }
  return attributes;
}

function readAttribute(source: FileBytes, body: Cursor, heaps: TextHeaps): Attribute {
  const version = body.version(1, 2, 3);
  const flags = body.u8();
  if (version > 1 && flags !== 0) throw source.unsupported('An attribute of a shared type', 'its own type', `${flags}`);
  const sizes = [body.u16(), body.u16(), body.u16()];
  if (version === 3) body.u8();
  const [name, type, shape] = sizes.map((size) => {
    const at = body.take(version === 1 ? Math.ceil(size / 8) * 8 : size);
    return source.cursor(at, size, 'An attribute');
  });
  return new Attribute(
    nameFrom(name.bytes(name.left), source),
    readElementType(type),
    readShape(shape),
    source.cursor(body.at, body.left, 'An attribute'),
    heaps,
  );
}
