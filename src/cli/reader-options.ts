import { RivuletError } from '../errors.js';
import type { ReadOptions } from '../formats/registry.js';
import { BATCH, type Dim, TIME } from '../graph/graph.js';
import { type Arguments, decimal, type Options, UsageError } from './options.js';
import { decodeText } from './series.js';

/** What a file leaves open, said on the command line: options of every verb that loads a model. */
export const READER_OPTIONS: Options = {
  architecture: {
    value: 'FILE',
    help: 'JSON that says what weights alone leave open: the order of layers, a Keras model',
  },
  unpadded: { help: 'Leave out the masks of a Keras model: the sequences hold no padding' },
  constant: { value: 'NAME=NUMBERS', multiple: true, help: 'Fix an input of an ONNX model for good, as in sr=16000' },
  shape: {
    value: 'NAME=DIMS',
    multiple: true,
    help: 'The shape of an input that an ONNX model leaves open, as in x=T,N,8: T is time, N batch',
  },
  'state-pair': {
    value: 'IN=OUT',
    multiple: true,
    help: 'An input of an ONNX model is the state that this output becomes',
  },
};

type ReaderOptions = Pick<ReadOptions, 'architecture' | 'unpadded' | 'constants' | 'shapes' | 'states'>;

/**
 * What `READER_OPTIONS` says, as readers take it.
 * @throws UsageError for what is no number, no shape, or no pair of names
 */
export async function readerOptionsOf(
  args: Arguments,
  read: (path: string) => Promise<Uint8Array>,
): Promise<ReaderOptions> {
  const path = args.text('architecture');
  const constants = listed(args, 'constant', 'numbers with commas between', decimal);
  const shapes = listed(args, 'shape', `lengths, ${TIME} and ${BATCH} with commas between`, dimOf);
  const states = args.named('state-pair');
  return {
    ...(path !== undefined && { architecture: decodeText(await read(path), path) }),
    ...(args.flag('unpadded') && { unpadded: true }),
    ...(constants.size > 0 && { constants: Object.fromEntries(constants) }),
    ...(shapes.size > 0 && { shapes: Object.fromEntries(shapes) }),
    ...(states.size > 0 && { states: Object.fromEntries(states) }),
  };
}

type Name = keyof ReaderOptions | 'kernels';

/** Options that errors name, by what the library calls them. */
const FLAGS: Readonly<Record<Name, string>> = {
  architecture: '--architecture',
  unpadded: '--unpadded',
  constants: '--constant',
  shapes: '--shape',
  states: '--state-pair',
  kernels: '--kernels',
};

const isOption = (name: string): name is Name => Object.hasOwn(FLAGS, name);

/** The same refusal with the library's options called as in a shell. */
export function inShell(error: RivuletError): RivuletError {
  const [code, what, { hint, options, expected, found, ...where }] = error.toArguments();
  const said = Object.entries(options ?? {}).flatMap(([name, value]) => (isOption(name) ? spelled(name, value) : []));
  // The option of the library that lets such numbers through has no flag.
  const advice = code === 'NON_FINITE_INPUT' ? 'Clean the data' : hint;
  const details = { ...where, cause: error.cause, hint: said.length > 0 ? `${advice}: ${said.join(' ')}` : advice };
  if (code !== 'INVALID_OPTION') return new RivuletError(code, what, { ...details, expected, found });
  // An option begins what is wrong with it, or stands alone, or in a list of options.
  const named = (text: string | undefined) =>
    text?.split(', ').every(isOption) ? text.replace(/\w+/g, (name) => FLAGS[name as Name]) : text;
  const begun = what.replace(/^\w+(?=:|$)/, (name) => (isOption(name) ? FLAGS[name] : name));
  return new RivuletError(code, begun, { ...details, expected: named(expected), found: named(found) });
}

/** What is typed for an option of the library, as an error holds it. */
function spelled(name: Name, value: unknown): string[] {
  const flag = FLAGS[name];
  if (name === 'unpadded') return [flag];
  if (name === 'kernels') return [`${flag} ${value}`];
  if (name === 'architecture')
    return [`${flag} FILE${typeof value === 'object' ? `, which holds ${JSON.stringify(value)}` : ''}`];
  return Object.entries(value as object).map(([key, content]) => `${flag} ${quoted(`${key}=${content}`)}`);
}

/** A word as a shell takes it. */
export const quoted = (text: string): string =>
  /^[\w.,=:/+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** A length above 0 or a symbol; NaN for any other text. */
const dimOf = (text: string): Dim =>
  text === TIME || text === BATCH ? text : /^[1-9]\d{0,8}$/.test(text) ? Number(text) : Number.NaN;

/** The items of each `NAME=ITEMS` of an option. */
function listed<Item>(args: Arguments, option: string, expected: string, itemOf: (text: string) => Item) {
  const lists = new Map<string, Item[]>();
  for (const [name, text] of args.named(option)) {
    const items = text.split(',').map((item) => itemOf(item.trim()));
    if (items.some(Number.isNaN)) throw new UsageError(`--${option} ${name} takes ${expected}, not "${text}"`);
    lists.set(name, items);
  }
  return lists;
}
