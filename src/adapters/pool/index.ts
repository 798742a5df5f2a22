/**
 * Many streams on many cores: a model in several workers (Node's worker threads, Web Workers), each with its own copy of
 * the weights, and streams spread over them.
 *
 * @packageDocumentation
 */
export { createPool, type Pool, type PoolOptions } from './pool.js';
export type { PoolStream } from './stream.js';
