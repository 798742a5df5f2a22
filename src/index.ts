/**
 * Rivulet: runs trained recurrent networks as streams, one time step in, one prediction out.
 *
 * @packageDocumentation
 */
export { type ErrorCode, type ErrorDetails, RivuletError } from './errors.js';
export type { KerasArchitecture } from './formats/keras/architecture.js';
export type { Architecture } from './formats/pytorch/architecture.js';
export type { DataType, Dim } from './graph/graph.js';
export type { Operators } from './ops/operator.js';
export type { Plan } from './plan/plan.js';
export type { HeldType } from './plan/quantize.js';
export type { Build } from './runtime/kernels.js';
export { type LoadOptions, loadModel, loadModelSync, loadOperators } from './runtime/load.js';
export type { Model, Port, ShapedArray } from './runtime/model.js';
export type { NamedInputs, NamedOutputs, StepInput, Stream } from './runtime/stream.js';
export type { LayerTrace, Trace } from './runtime/trace.js';
