import { RivuletError } from '../../errors.js';
import type { Answer, Request } from './messages.js';

/** For a call on a pool that was disposed of. */
export function gone(): RivuletError {
  return new RivuletError('DISPOSED', 'the pool was disposed of', { hint: 'Make another with createPool()' });
}

/** A worker as the host has it. */
interface HostWorker {
  post(request: Request, transfer: ArrayBuffer[]): void;
  terminate(): void;
  /** Whether it keeps the process alive; nothing in a page. */
  hold(alive: boolean): void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The pool's end of one worker: requests go out in order, answers come back in the same. */
export class WorkerLink {
  /** Streams of the pool that live in it. */
  streams = 0;
  private readonly waiting: Waiting[] = [];
  private failure: RivuletError | undefined;

  private constructor(private readonly worker: HostWorker) {}

  /** Starts a worker. @throws RivuletError `UNSUPPORTED_HOST` */
  static async start(url: URL): Promise<WorkerLink> {
    // The callbacks run after the constructor: a worker needs a turn of the event loop to say anything.
    let link: WorkerLink | undefined;
    const worker = await startWorker(
      url,
      (answer) => link!.settle(answer),
      (cause) => link!.fail(new RivuletError('UNSUPPORTED_HOST', 'a worker of the pool has ended', { cause })),
    );
    link = new WorkerLink(worker);
    worker.hold(false);
    return link;
  }

  /** Requests that have no answer yet. */
  get busy(): number {
    return this.waiting.length;
  }

  /** Sends a request; `transfer` lists buffers that go with it. */
  request<T>(request: Request, transfer: ArrayBuffer[] = []): Promise<T> {
    if (this.failure) return Promise.reject(this.failure);
    // First, so that what can't be cloned leaves nothing waiting.
    try {
      this.worker.post(request, transfer);
    } catch (cause) {
      return Promise.reject(
        new RivuletError('INVALID_INPUT', 'an argument cannot be sent to a worker', {
          expected: 'numbers, arrays of them, and plain objects',
          cause,
        }),
      );
    }
    this.worker.hold(true);
    return new Promise<unknown>((resolve, reject) => {
      this.waiting.push({ resolve, reject });
    }) as Promise<T>;
  }

  /** Ends the worker; whatever waits is rejected. */
  fail(failure: RivuletError): void {
    if (this.failure) return;
    this.failure = failure;
    this.worker.terminate();
    for (const { reject } of this.waiting.splice(0)) reject(failure);
  }

  private settle(answer: Answer): void {
    const first = this.waiting.shift();
    if (this.waiting.length === 0) this.worker.hold(false);
    if ('value' in answer) first?.resolve(answer.value);
    else first?.reject('refusal' in answer ? new RivuletError(...answer.refusal) : answer.error);
  }
}

async function startWorker(
  url: URL,
  onAnswer: (answer: Answer) => void,
  onFailure: (cause: unknown) => void,
): Promise<HostWorker> {
  if (typeof Worker === 'function') {
    const worker = new Worker(url, { type: 'module' });
    worker.onmessage = ({ data }: { data: Answer }) => onAnswer(data);
    worker.onerror = (event) => onFailure(event.message ?? event);
    return {
      post: (request, transfer) => worker.postMessage(request, transfer),
      terminate: () => worker.terminate(),
      hold: () => {},
    };
  }
  const threads = await import('node:worker_threads').catch((cause: unknown) => {
    throw new RivuletError('UNSUPPORTED_HOST', 'this host has no workers', { cause });
  });
  const worker = new threads.Worker(url);
  worker.on('message', onAnswer);
  worker.on('error', onFailure);
  worker.on('exit', (code) => onFailure(new Error(`exit code ${code}`)));
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    terminate: () => void worker.terminate(),
    hold: (alive) => (alive ? worker.ref() : worker.unref()),
  };
}
