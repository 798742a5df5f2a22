/** What users of language models need around a stream: a vocabulary, sampling, generation and evaluation. */
export { type Ending, type GenerateOptions, generate, generateSync } from './generate.js';
export { type EvaluateOptions, evaluateText, evaluateTextSync, type TextLoss } from './loss.js';
export { Random, type RandomState } from './random.js';
export { Sampler, type SamplerOptions } from './sample.js';
export type { TokenStream } from './stream.js';
export { type TextTask, textTask } from './task.js';
export { Vocabulary, type VocabularyOptions } from './vocabulary.js';
