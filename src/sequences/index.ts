/** What users of time-series models need around a stream: batches, windows, scalers, forecasts, anomalies. */
export { type Baseline, repeatLast, seasonalNaive } from './baselines.js';
export { type BatchOptions, type SequenceBatch, sequenceBatches } from './batches.js';
export { type Detection, Detector, type DetectorOptions } from './detector.js';
export { Forecaster, type ForecastTask, forecastTask, type SeriesStream } from './forecast.js';
export { ErrorLikelihood, type LikelihoodOptions } from './likelihood.js';
export { Scaler, type ScalerKind, type ScalerOptions } from './scaler.js';
export type { TargetOptions } from './targets.js';
export { type SeriesWindow, type WindowOptions, windows } from './windows.js';
