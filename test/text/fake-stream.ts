import type { TokenStream } from '../../src/text/index.js';

/**
 * A stream of a made-up model whose logits depend on every token read, so that a token missed, doubled or read out of
 * order changes all that follows.
 */
export class FakeStream implements TokenStream {
  readonly read: number[] = [];
  readonly model;
  #hash = 0;

  constructor(readonly width: number) {
    this.model = { name: 'fake', inputs: [{ size: 1 }], outputs: [{ size: width }] };
  }

  step(token: number, out = new Float32Array(this.width)): Float32Array {
    this.read.push(token);
    this.#hash = (Math.imul(this.#hash, 31) + token + 1) >>> 0;
    return out.map((_, i) => (out[i] = (Math.imul(this.#hash + i, 0x9e3779b1) >>> 16) / 16384));
  }

  run(tokens: ArrayLike<number>, out = new Float32Array(tokens.length * this.width)): Float32Array {
    for (let t = 0; t < tokens.length; t++) this.step(tokens[t], out.subarray(t * this.width, (t + 1) * this.width));
    return out;
  }
}

/** A stream that says a given text whatever it reads. */
export class ScriptedStream extends FakeStream {
  #at = 0;

  constructor(
    width: number,
    private readonly script: ArrayLike<number>,
  ) {
    super(width);
  }

  override step(token: number, out = new Float32Array(this.width)): Float32Array {
    this.read.push(token);
    out.fill(0);
    out[this.script[this.#at++ % this.script.length]] = 100;
    return out;
  }
}
