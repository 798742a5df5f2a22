import type { LayerReader } from '../layer.js';
import { convolutionLayers } from './convolution.js';
import { coreLayers } from './core.js';
import { mergeLayers, operations } from './merge.js';
import { normalizationLayers } from './normalization.js';
import { recurrentLayers } from './recurrent.js';

/** Every layer that is read, by Keras's name of its class. */
export const LAYERS: ReadonlyMap<string, LayerReader> = new Map(
  [recurrentLayers, coreLayers, mergeLayers, normalizationLayers, convolutionLayers].flatMap((some) =>
    Object.entries(some),
  ),
);

/** The same of Keras 3's operations. HDF5 does not tell them from layers. */
export const OPERATIONS: ReadonlyMap<string, LayerReader> = new Map(Object.entries(operations));
