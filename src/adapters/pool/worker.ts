// The script of a pool's worker: one model, the streams of the pool that live here, and a queue of requests.

import { RivuletError } from '../../errors.js';
import type { Engine } from '../../runtime/engine.js';
import { loadModel } from '../../runtime/load.js';
import type { Model } from '../../runtime/model.js';
import type { Stream } from '../../runtime/stream.js';
import type { Answer, Facts, Request, Rows } from './messages.js';

type Post = (answer: Answer, transfer: ArrayBuffer[]) => void;

let model: Model;
/** By their number in the pool. */
const streams = new Map<number, Stream>();
/** What the last call on many streams was for. */
let listed: { engine: Engine; slots: Int32Array };

const streamOf = (id: number): Stream => streams.get(id)!;

/** Does what is asked; what it returns is cloned into the answer, but for the buffers listed in `transfer`. */
async function perform(request: Request, transfer: ArrayBuffer[]): Promise<unknown> {
  switch (request.op) {
    case 'load':
      model = await loadModel(request.source, request.options);
      return factsOf(model);
    case 'create':
      for (const id of request.ids) streams.set(id, model.createStream());
      return undefined;
    case 'clone':
      streams.set(request.id, streamOf(request.from).clone());
      return undefined;
    case 'dispose':
      streamOf(request.id).dispose();
      streams.delete(request.id);
      return undefined;
    case 'call':
      return streamOf(request.id)[request.method](request.argument as never);
    case 'whole':
      return model.run(request.inputs);
    case 'many':
      return stepRows(request, transfer);
  }
}

/** The rows go back with the answer, whether the memory is shared or was sent. */
function stepRows({ ids, steps, rows }: Extract<Request, { op: 'many' }>, transfer: ArrayBuffer[]): Rows {
  if (ids) listed = { engine: streamOf(ids[0]).engine, slots: ids.map((id) => streamOf(id).slot) };
  const { engine, slots } = listed;
  engine.inputs[0].attach(rows.input, steps);
  engine.outputs[0].attach(rows.output, steps);
  engine.advance(slots, slots.length, steps);
  for (const { buffer } of [rows.input, rows.output]) if (buffer instanceof ArrayBuffer) transfer.push(buffer);
  return rows;
}

function factsOf(loaded: Model): Facts {
  const { name, inputs, outputs, parameterCount, weightBytes, stateBytes, kernels, metadata, streamable } = loaded;
  const shown = { name, inputs, outputs, parameterCount, weightBytes, stateBytes, kernels, metadata, streamable };
  let ports: Facts['ports'] = [];
  if (streamable) {
    const stream = loaded.createStream();
    ports = stream.engine.plan.inputs;
    stream.dispose();
  }
  return { ...shown, fingerprint: loaded.fingerprint, ports };
}

async function answer(request: Request, post: Post): Promise<void> {
  const transfer: ArrayBuffer[] = [];
  try {
    post({ value: await perform(request, transfer) }, transfer);
  } catch (error) {
    post(error instanceof RivuletError ? { refusal: error.toArguments() } : { error }, []);
  }
}

/** Takes requests from the thread that started this one. One waits for the other: loading is asynchronous. */
async function serve(): Promise<void> {
  let last = Promise.resolve();
  const queue = (request: Request, post: Post) => {
    last = last.then(() => answer(request, post));
  };
  // A Web Worker's global scope, or Node's port.
  const scope = globalThis as unknown as DedicatedScope;
  if (typeof scope.postMessage === 'function') {
    scope.onmessage = ({ data }) => queue(data, (sent, transfer) => scope.postMessage(sent, transfer));
    return;
  }
  const { parentPort } = await import('node:worker_threads');
  parentPort!.on('message', (data: Request) =>
    queue(data, (sent, transfer) => parentPort!.postMessage(sent, transfer)),
  );
}

interface DedicatedScope {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  onmessage: (event: { data: Request }) => void;
}

await serve();
