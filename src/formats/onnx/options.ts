import { RivuletError } from '../../errors.js';
import { BATCH, type DataType, type Dim, type Tensor, TIME } from '../../graph/graph.js';
import { bytesPerElement, elementCount } from '../../graph/tensor.js';
import { Axis, type Length } from '../lengths.js';
import type { OnnxValueInfo } from './model.js';
import { storeNumber } from './tensors.js';

/** What an ONNX file leaves open and `loadModel` can be told. */
export interface OnnxOptions {
  /**
   * Inputs that are fixed for good, by name: a sample rate, a flag. What they decide is decided when the model is loaded;
   * a step may still be given them, and refuses any other value.
   */
  constants?: Readonly<Record<string, number | ArrayLike<number>>>;
  /** Shapes of inputs of which the file gives none, or not all: lengths, and the symbols `T` (time) and `N` (batch). */
  shapes?: Readonly<Record<string, readonly Dim[]>>;
  /** Recurrent states that names do not tell: by the input that a state comes in by, the output that it leaves by. */
  states?: Readonly<Record<string, string>>;
}

function wrong(option: string, name: string, expected: string, found: string, file?: string): RivuletError {
  return new RivuletError('INVALID_OPTION', `${option}: "${name}"`, { file, expected, found });
}

const isList = (content: unknown) => Array.isArray(content) || ArrayBuffer.isView(content);

/** What each option holds by name. */
const KINDS: Record<string, [fits: (content: unknown) => boolean, expected: string]> = {
  constants: [(content) => typeof content === 'number' || isList(content), 'a number or an array of numbers'],
  shapes: [Array.isArray, `an array of lengths, "${TIME}" and "${BATCH}"`],
  states: [(content) => typeof content === 'string', 'the name of an output'],
};

/** Refuses options that name no input, and states that lead to no output. */
export function checkOptions(
  { constants = {}, shapes = {}, states = {} }: OnnxOptions,
  inputs: readonly string[],
  outputs: readonly string[],
  file: string | undefined,
): void {
  for (const [option, given] of Object.entries({ constants, shapes, states })) {
    if (typeof given !== 'object' || given === null) {
      throw new RivuletError('INVALID_OPTION', option, { file, expected: 'an object', found: String(given) });
    }
    for (const [name, content] of Object.entries(given)) {
      if (!inputs.includes(name)) throw wrong(option, name, `an input: ${inputs.join(', ')}`, 'no input', file);
      const [fits, expected] = KINDS[option];
      if (!fits(content)) throw wrong(option, name, expected, JSON.stringify(content) ?? 'nothing', file);
    }
  }
  const lost = Object.entries(states).find(([, output]) => !outputs.includes(output));
  if (lost) throw wrong('states', lost[0], `an output: ${outputs.join(', ')}`, JSON.stringify(lost[1]), file);
}

/** A fixed input as a constant of the type and shape that the file declares. */
export function fixedInput(
  { name, shape = [] }: OnnxValueInfo,
  type: DataType,
  given: number | ArrayLike<number>,
  file: string | undefined,
): Tensor {
  const values = typeof given === 'number' ? [given] : Array.from(given);
  const open = shape.filter((dim) => typeof dim !== 'number');
  const known = elementCount(shape.filter((dim) => typeof dim === 'number'));
  // The one length that the file leaves open follows from how many numbers there are.
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : open.length === 1 ? values.length / known : 1));
  if (!dims.every(Number.isInteger) || elementCount(dims) !== values.length) {
    const declared = `[${shape.map((dim) => dim ?? '?').join(', ')}]`;
    throw wrong('constants', name, `as many numbers as ${declared} has`, `${values.length}`, file);
  }
  const whole = type !== 'float32' && type !== 'float64';
  const strange = values.find((value) => (whole ? !Number.isSafeInteger(value) : typeof value !== 'number'));
  if (strange !== undefined) throw wrong('constants', name, `numbers of type ${type}`, String(strange), file);
  const size = bytesPerElement(type);
  const bytes = new Uint8Array(size * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) storeNumber(view, i * size, type, value);
  return { name, type, shape: dims, bytes };
}

/**
 * The lengths of an input's axes: as the option says, otherwise as the file does.
 *
 * @param axes by the file's name for it, the axis that several inputs share.
 */
export function inputLengths(
  { name, shape }: OnnxValueInfo,
  given: readonly Dim[] | undefined,
  axes: Map<string, Axis>,
  file: string | undefined,
): Length[] | undefined {
  const declared = shape ?? given?.map(() => undefined);
  if (given && declared && given.length !== declared.length) {
    throw wrong('shapes', name, `${declared.length} axes`, `[${given.join(', ')}]`, file);
  }
  return declared?.map((dim, i): Length => {
    const said = given?.[i];
    if (said !== undefined) checkDim(name, said, dim, file);
    const axis = (typeof dim === 'string' && axes.get(dim)) || new Axis(dim === undefined ? '' : String(dim));
    if (typeof dim === 'number') axis.fixed = dim;
    else if (dim !== undefined) axes.set(dim, axis);
    if (typeof said === 'number') {
      axis.fixed = said;
      axis.pinned = true;
    } else if (said !== undefined) axis.role = said === TIME ? 'T' : 'N';
    return axis;
  });
}

function checkDim(name: string, said: Dim, declared: Dim | undefined, file: string | undefined): void {
  const length = Number.isSafeInteger(said) && (said as number) > 0;
  if (!length && said !== TIME && said !== BATCH) {
    throw wrong('shapes', name, `lengths, "${TIME}" and "${BATCH}"`, JSON.stringify(said), file);
  }
  if (length && typeof declared === 'number' && declared !== said) {
    throw wrong('shapes', name, `${declared}, as the file declares`, `${said}`, file);
  }
}
