import { PassThrough, type Readable, Writable } from 'node:stream';
import { main } from '../../src/cli/cli.js';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import type { Tensor } from '../../src/graph/graph.js';
import { Random } from '../../src/text/index.js';

/** A stream that keeps what is written, and may claim to be a terminal. */
export class Capture extends Writable {
  readonly chunks: Buffer[] = [];

  constructor(
    readonly isTTY = false,
    private readonly onWrite: (text: string) => void = () => undefined,
  ) {
    super();
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.chunks.push(chunk);
    this.onWrite(String(chunk));
    done();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }
}

export interface Setting {
  stdin?: Readable | string | Uint8Array;
  stdout?: Writable & { isTTY?: boolean };
  stderr?: Capture;
  env?: Record<string, string>;
  signal?: AbortSignal;
}

/** Runs one command line in this process. */
export async function rivulet(argv: readonly string[], setting: Setting = {}) {
  const { env = {}, signal = new AbortController().signal } = setting;
  const stdout = setting.stdout ?? new Capture();
  const stderr = setting.stderr ?? new Capture();
  const given = setting.stdin ?? '';
  const stdin = typeof given === 'string' || given instanceof Uint8Array ? new PassThrough().end(given) : given;
  const code = await main(argv, { stdin, stdout, stderr, env, signal });
  const bytes = stdout instanceof Capture ? stdout.bytes : Buffer.alloc(0);
  return { code, stdout: bytes.toString(), bytes, stderr: stderr.text };
}

/** A recurrent model with random weights: x [T, N, inputs] -> LSTM of 4 units -> y [T, N, outputs]. */
export function seriesModel(
  inputs: number,
  outputs: number,
  metadata: Record<string, string> = { licence: 'none' },
): Uint8Array {
  const hidden = 4;
  const random = new Random(1);
  const float = (name: string, shape: number[]): Tensor => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 2 * random.uniform() - 1);
    return { name, type: 'float32', shape, bytes: new Uint8Array(data.buffer) };
  };
  const tensors = [
    float('lstm.W', [1, 4 * hidden, inputs]),
    float('lstm.R', [1, 4 * hidden, hidden]),
    float('lstm.B', [1, 8 * hidden]),
    float('head.weight', [hidden, outputs]),
    float('head.bias', [outputs]),
    { name: 'axes', type: 'int64' as const, shape: [1], bytes: new Uint8Array(new BigInt64Array([1n]).buffer) },
  ];
  const node = (op: string, from: string[], to: string, attributes = {}) => ({
    name: to,
    op,
    inputs: from,
    outputs: [to],
    attributes,
  });
  return writeNative({
    name: 'series',
    inputs: [{ name: 'x', type: 'float32', shape: ['T', 'N', inputs] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['T', 'N', outputs] }],
    states: [],
    nodes: [
      node('LSTM', ['x', 'lstm.W', 'lstm.R', 'lstm.B'], 'lstm', { hidden_size: hidden }),
      node('Squeeze', ['lstm', 'axes'], 'hidden'),
      node('MatMul', ['hidden', 'head.weight'], 'product'),
      node('Add', ['product', 'head.bias'], 'y'),
    ],
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    metadata,
  });
}
