import type { Tensor } from '../../graph/graph.js';

/** Layers and steps of a chain, with weights as PyTorch lays them out; other formats are brought to it. */

export type CellType = 'LSTM' | 'GRU' | 'RNN';

/** One layer in one direction of a recurrent module. */
export interface CellWeights {
  weightIh: Tensor;
  weightHh: Tensor;
  biasIh?: Tensor;
  biasHh?: Tensor;
  /** The projection of `proj_size`. */
  weightHr?: Tensor;
  /** What the state begins as, [hidden]; zeros without it. An LSTM has both. */
  initialH?: Tensor;
  initialC?: Tensor;
}

/** An LSTM, GRU or RNN with all its layers. */
export interface Recurrent {
  kind: 'recurrent';
  prefix: string;
  type: CellType;
  inputs: number;
  hidden: number;
  /** What a layer gives in one direction: `hidden`, or `proj_size`. */
  projected: number;
  directions: number;
  /** [layer][direction] */
  layers: CellWeights[][];
  /** Whether it is one cell, LSTMCell and the like, whose loop is code of the model's own. */
  single?: boolean;
}

/** Two axes: a Linear's weight, or an Embedding's table. */
export interface Matrix {
  kind: 'matrix';
  prefix: string;
  weight: Tensor;
  bias?: Tensor;
}

/** One axis: a LayerNorm's weight, and its bias. */
export interface Vector {
  kind: 'vector';
  prefix: string;
  weight: Tensor;
  bias?: Tensor;
}

/** Three axes: a Conv1d's weight, [outputs, inputs / groups, kernel]. */
export interface Convolution {
  kind: 'convolution';
  prefix: string;
  weight: Tensor;
  bias?: Tensor;
}

/** What a BatchNorm1d has learned, and the statistics it has kept; `weight` and `bias` where it has them. */
export interface Statistics {
  kind: 'statistics';
  prefix: string;
  weight?: Tensor;
  bias?: Tensor;
  mean: Tensor;
  variance: Tensor;
}

export type Layer = Recurrent | Matrix | Vector | Convolution | Statistics;

/** Blocks of rows that weight_ih stacks, one for each gate. */
export const GATES: Readonly<Record<CellType, number>> = { LSTM: 4, GRU: 3, RNN: 1 };

/** What runs, one after the other: every question that the weights left open has been answered. */
export type Step =
  | { op: 'Embedding'; layer: Matrix }
  | { op: 'Linear'; layer: Matrix }
  | { op: 'LayerNorm'; layer: Vector; eps: number }
  /** Over the numbers of one step, in groups of neighbours. */
  | { op: 'GroupNorm'; layer: Vector; groups: number; eps: number }
  | { op: 'cell'; layer: Recurrent; output: 'sequence' | 'state'; nonlinearity: 'tanh' | 'relu' }
  /** Over the steps: with zeros before them alone, or on both sides. */
  | { op: 'Conv1d'; layer: Convolution; dilation: number; groups: number; padding: 'causal' | 'same' }
  /** By ONNX's name. */
  | { op: 'activation'; name: string }
  /** x * scale + shift, one of each for all numbers or for each: a normalisation by constants, a gain. */
  | { op: 'affine'; name: string; scale: Tensor; shift?: Tensor }
  /** x below 0 times a slope, one for all numbers or one for each. */
  | { op: 'PReLU'; name: string; slope: Tensor }
  /** What comes in, through the steps and past them, both added; past them through the shortcut, where it has steps. */
  | { op: 'residual'; steps: Step[]; shortcut: Step[] }
  /** Adds what the first layer was given: the first `inputs` numbers of it. */
  | { op: 'skip'; inputs: number };
