/** Longest stretch of work between two pauses, in milliseconds: half a frame at 60 Hz. */
const STRETCH = 8;

interface Host {
  setImmediate?: (callback: () => void) => unknown;
}

/**
 * Keeps a long computation from starving its thread: `if (pacer.isDue()) await pacer.pause()` lets the event loop turn
 * every few milliseconds.
 */
export class Pacer {
  #since = performance.now();

  isDue(): boolean {
    return performance.now() - this.#since >= STRETCH;
  }

  async pause(): Promise<void> {
    await turn();
    this.#since = performance.now();
  }
}

/** Resolves after one turn of the event loop. A timer would do, but browsers hold nested ones back for 4 ms. */
function turn(): Promise<void> {
  const host = globalThis as Host;
  return new Promise((resolve) => {
    if (host.setImmediate) {
      host.setImmediate(() => resolve());
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
