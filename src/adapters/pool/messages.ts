import type { RivuletError } from '../../errors.js';
import type { Source } from '../../io/source.js';
import type { PlanPort } from '../../plan/plan.js';
import type { Build } from '../../runtime/kernels.js';
import type { LoadOptions } from '../../runtime/load.js';
import type { Port, ShapedArray } from '../../runtime/model.js';

/** The options of `loadModel` that a message can carry. */
export type WorkerLoadOptions = Omit<LoadOptions, 'operators' | 'onProgress' | 'signal'>;

/** What a model is, as far as the pool and its caller ask. */
export interface Facts {
  name: string;
  inputs: readonly Port[];
  outputs: readonly Port[];
  parameterCount: number;
  weightBytes: number;
  stateBytes: number;
  kernels: Build;
  metadata: Readonly<Record<string, string>>;
  streamable: boolean;
  fingerprint: string;
  /** What inputs are checked by; none where the model does not stream. */
  ports: readonly PlanPort[];
}

/** Rows for `steps` steps of many streams, and room for what comes of them. */
export interface Rows {
  /** [streams][steps][inputs]; float64 where the numbers are tokens. */
  input: Float32Array | Float64Array;
  /** [streams][steps][outputs] */
  output: Float32Array;
}

/** Methods of a stream that a worker calls for its twin in the pool. */
export type StreamMethod = 'step' | 'run' | 'save' | 'restore' | 'reset';

/** What the pool asks of a worker. It answers each, in the order in which they came. */
export type Request =
  | { op: 'load'; source: Source; options: WorkerLoadOptions }
  | { op: 'create'; ids: readonly number[] }
  | { op: 'clone'; id: number; from: number }
  | { op: 'dispose'; id: number }
  | { op: 'call'; id: number; method: StreamMethod; argument: unknown }
  /** Inputs are checked already. Without `ids` the streams are those of the call before. */
  | { op: 'many'; ids: Int32Array | undefined; steps: number; rows: Rows }
  | { op: 'whole'; inputs: Readonly<Record<string, ShapedArray>> };

/** What a worker answers: a value, a refusal as the arguments of a RivuletError, or an error that is a mistake of ours. */
export type Answer =
  | { value: unknown }
  | { refusal: ReturnType<InstanceType<typeof RivuletError>['toArguments']> }
  | { error: unknown };
