/** The executable: the process's streams, its signals and its exit code around `main`. */
import { main } from './cli.js';

const interrupted = new AbortController();
// Once: a second Ctrl-C ends the process at once, as without a handler.
process.once('SIGINT', () => interrupted.abort(new Error('SIGINT')));

const { stdin, stdout, stderr, env } = process;
// Not process.exit: what stands in the streams' buffers would be lost.
process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env, signal: interrupted.signal });
// An open terminal or pipe that nobody reads any more must not keep the process alive.
stdin.destroy();
