import type { NodeWriter } from '../writer.js';
import { arrayOperators } from './arrays.js';
import { convolutionOperators } from './convolution.js';
import { listOperators } from './lists.js';
import { pointwiseOperators } from './pointwise.js';
import { shapeOperators } from './shape.js';

/** Writes a node of TensorFlow's in ONNX's words. */
export type Operator = (node: NodeWriter) => void;

/** TensorFlow's operators that are translated, by name. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ...pointwiseOperators,
  ...shapeOperators,
  ...arrayOperators,
  ...convolutionOperators,
  ...listOperators,
]);
