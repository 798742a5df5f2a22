import { parseArgs } from 'node:util';

/** A command line that makes no sense: exit code 2, with a hint at --help. */
export class UsageError extends Error {}

export interface Option {
  /** One letter, for `-o`. */
  short?: string;
  /** Name of the value in the help; without one the option is a flag. */
  value?: string;
  /** May be given several times. */
  multiple?: boolean;
  help: string;
}

export type Options = Readonly<Record<string, Option>>;

/** The part of a verb that the command line and its help are made of. */
export interface Syntax {
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Names of the positional arguments; optional ones in brackets, and last. */
  readonly positionals: readonly string[];
  readonly options: Options;
  /** Lines of prose about the arguments, under the usage. */
  readonly notes?: readonly string[];
  /** Command lines that work as they stand, with the right files. */
  readonly examples: readonly string[];
}

const HELP: Option = { short: 'h', help: 'Show this help' };

/** A verb's arguments. Each getter checks what it gives and throws UsageError. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #options: Options;
  readonly #values: Readonly<Record<string, unknown>>;

  /** @throws UsageError for an unknown option, a value missing or too much, too few or too many positionals */
  constructor(syntax: Syntax, argv: readonly string[]) {
    const { positionals, values } = parse({ help: HELP, ...syntax.options }, argv);
    this.#options = syntax.options;
    this.#values = values;
    this.positionals = positionals;
    if (this.flag('help')) return;
    const required = syntax.positionals.filter((name) => !name.startsWith('['));
    if (positionals.length < required.length) throw new UsageError(`${required[positionals.length]} is missing`);
    if (positionals.length > syntax.positionals.length) {
      throw new UsageError(`Unexpected argument "${positionals[syntax.positionals.length]}"`);
    }
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    return this.#values[name] as string | undefined;
  }

  list(name: string): string[] {
    return (this.#values[name] as string[] | undefined) ?? [];
  }

  /** What an option says of each name: `NAME=VALUE`, any number of times. */
  named(name: string): Map<string, string> {
    const found = new Map<string, string>();
    for (const text of this.list(name)) {
      const at = text.indexOf('=');
      if (at < 1) throw new UsageError(`--${name} takes ${this.#options[name].value}, not "${text}"`);
      const key = text.slice(0, at);
      if (found.has(key)) throw new UsageError(`--${name} names "${key}" twice`);
      found.set(key, text.slice(at + 1));
    }
    return found;
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.text(name);
    if (value === undefined || choices.includes(value as Choice)) return value as Choice | undefined;
    throw new UsageError(`--${name} takes one of ${choices.join(', ')}, not "${value}"`);
  }

  /** A number in `[min, max]`, both included, written in decimal; a min of Number.MIN_VALUE is any above 0. */
  number(name: string, rule: { min: number; max?: number; integer?: boolean }): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const { min, max = rule.integer ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE, integer = false } = rule;
    const value = decimal(text);
    if (value >= min && value <= max && (!integer || Number.isInteger(value))) return value;
    const from = min === Number.MIN_VALUE ? 'above 0,' : `from ${min}`;
    const range = rule.max === undefined ? `of at least ${min}` : `${from} to ${max}`;
    throw new UsageError(`--${name} takes ${integer ? 'an integer' : 'a number'} ${range}, not "${text}"`);
  }
}

/** A number written in decimal; NaN for any other text. */
export const decimal = (text: string): number =>
  /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;

function parse(options: Options, argv: readonly string[]) {
  const config = Object.entries(options).map(([name, { short, value, multiple = false }]) => [
    name,
    { type: value === undefined ? 'boolean' : 'string', multiple, ...(short === undefined ? {} : { short }) },
  ]);
  try {
    return parseArgs({ args: [...argv], options: Object.fromEntries(config), allowPositionals: true, strict: true });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(reworded(error.message));
    throw error;
  }
}

/** Node's messages are good; what follows the first sentence is not about this program. */
function reworded(message: string): string {
  const [sentence] = message.split(/\.\s|\n/);
  const isAmbiguous = sentence.endsWith('ambiguous');
  return (
    sentence.replace(/\.$/, '') + (isAmbiguous ? '; write --option=VALUE for a value that begins with a dash' : '')
  );
}

/** The help of one verb. */
export function helpOf(syntax: Syntax): string {
  const rows = Object.entries({ ...syntax.options, help: HELP }).map(([name, { short, value, multiple, help }]) => [
    `${short ? `-${short}, ` : '    '}--${name}${value ? ` ${value}` : ''}`,
    multiple ? `${help} (repeatable)` : help,
  ]);
  const sections = [
    `${syntax.summary}.`,
    `Usage: rivulet ${[syntax.name, ...syntax.positionals].join(' ')} [options]`,
    ...(syntax.notes ? [syntax.notes.join('\n')] : []),
    `Options:\n${columns(rows)}`,
    `${syntax.examples.length > 1 ? 'Examples' : 'Example'}:\n${syntax.examples.map((line) => `  ${line}`).join('\n')}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

/** Rows of two texts, the second ones aligned. */
export function columns(rows: readonly (readonly string[])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}

/** Options that several verbs share. */
export const KERNELS: Options = {
  kernels: { value: 'BUILD', help: 'auto, relaxed, simd or scalar: which kernels compute (default: auto)' },
};
/** Leaves layers out of what `--weights` asks. */
export const KEEP: Options = {
  keep: { value: 'LAYER', multiple: true, help: 'Leave a layer, by its name in "inspect", in float32' },
};
export const HELD: Options = {
  weights: {
    value: 'TYPE',
    help: 'float32, bfloat16 or int8: how memory holds the weights (default: as the file does)',
  },
  ...KEEP,
};
export const JSON_OUTPUT: Options = { json: { help: 'Print JSON instead of text' } };
