import { checkGraph } from '../graph/check.js';
import type { Graph } from '../graph/graph.js';
import { encodeUtf8 } from '../io/utf8.js';

/** A faster way for many words: the kernel `mixWords` does what `Hash` does in JavaScript. */
export interface Mixer {
  /** Mixes bytes, a multiple of four, into the two lanes. */
  mixWords(lanes: Int32Array, bytes: Uint8Array): void;
}

/** Bytes from which a mixer's call costs less than the loop. */
const LONG = 1024;

/**
 * A 64-bit hash in two lanes of 32-bit multiply-and-rotate (after Austin Appleby's MurmurHash3): it tells files and
 * states apart, and guards against damage, not against malice.
 */
export class Hash {
  private readonly lanes = Int32Array.of(0x9747b28c, 0x3c6ef372);

  /** `mixer` takes the words of long arrays. */
  constructor(private readonly mixer?: Mixer) {}

  update(bytes: Uint8Array): this {
    const whole = bytes.length >> 2;
    if (this.mixer && bytes.length >= LONG) this.mixer.mixWords(this.lanes, bytes.subarray(0, whole * 4));
    else this.mixBytes(bytes);
    let rest = 0;
    for (let i = whole * 4; i < bytes.length; i++) rest = (rest << 8) | bytes[i];
    this.mix(Int32Array.of(rest, bytes.length));
    return this;
  }

  private mixBytes(bytes: Uint8Array): void {
    // A view of words needs alignment. Not `slice`: a Node Buffer's is another view.
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    this.mix(new Int32Array(aligned.buffer, aligned.byteOffset, bytes.length >> 2));
  }

  private mix(words: Int32Array): void {
    let [a, b] = this.lanes;
    for (let i = 0; i < words.length; i++) {
      const word = words[i];
      const k = Math.imul(word, 0xcc9e2d51);
      a ^= (k << 15) | (k >>> 17);
      a = (Math.imul((a << 13) | (a >>> 19), 5) + 0x5bd1e995) | 0;
      b = Math.imul(b ^ word ^ (b >>> 15), 0x85ebca6b);
    }
    this.lanes[0] = a;
    this.lanes[1] = b;
  }

  /** The two lanes, finished. */
  digest(): [number, number] {
    const [a, b] = this.lanes;
    return [finish(a ^ b), finish(b + Math.imul(a, 0xc2b2ae35))];
  }
}

function finish(word: number): number {
  let h = word ^ (word >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * What a model is: its structure and its weights, whatever the file's format and metadata, the kernels or the version of
 * the package. A snapshot is for one fingerprint.
 */
export function fingerprintOf(graph: Graph, mixer?: Mixer): [number, number] {
  const { inputs, outputs, states } = graph;
  // Attributes have no order, but files list them in one.
  const nodes = checkGraph(graph).map((node) => {
    const attributes = Object.entries(node.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
    return { ...node, attributes: Object.fromEntries(attributes) };
  });
  const hash = new Hash(mixer).update(encodeUtf8(JSON.stringify([inputs, outputs, states, nodes])));
  for (const name of [...graph.tensors.keys()].sort()) {
    const { type, shape, bytes } = graph.tensors.get(name)!;
    hash.update(encodeUtf8(JSON.stringify([name, type, shape]))).update(bytes);
  }
  return hash.digest();
}
