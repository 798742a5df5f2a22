import type { LayerReader } from '../layer.js';
import { convolutionLayers } from './convolution.js';
import { coreLayers } from './core.js';
import { mergeLayers } from './merge.js';
import { normalizationLayers } from './normalization.js';
import { recurrentLayers } from './recurrent.js';

/** Every layer that is read, by Keras's name of its class. */
export const LAYERS: ReadonlyMap<string, LayerReader> = new Map(
  [recurrentLayers, coreLayers, mergeLayers, normalizationLayers, convolutionLayers].flatMap((some) =>
    Object.entries(some),
  ),
);
