import { type Ending, generate, Sampler, type TokenStream, textTask } from '../text/index.js';
import { encodeText, UNKNOWN, vocabularyOf } from './characters.js';
import type { Context, Verb } from './host.js';
import { MODEL_NOTE, openModel, openStream, readBytes, STATE, saveState } from './model.js';
import { type Arguments, HELD, KERNELS, UsageError } from './options.js';
import { count, figure, type Output, printable } from './output.js';
import { quoted, READER_OPTIONS } from './reader-options.js';
import { readAll, STDIN } from './records.js';
import { decodeText } from './series.js';

export const generateVerb: Verb = {
  name: 'generate',
  summary: 'Writes text with a character model, as it is made',
  positionals: ['MODEL'],
  notes: [
    MODEL_NOTE,
    'The same seed gives the same text on every machine, unless --kernels relaxed is asked for.',
    'In TEXT, \\n is a line end, \\t a tab and \\\\ a backslash.',
    'To go on from a saved state, pass the prompt that is told with it: a character that the stream has drawn, and not read.',
    'A model of short texts, such as headlines, says how one begins and ends: each is then a line, prompt included.',
    'With --prompts, N texts are written for each line of FILE, in order.',
  ],
  options: {
    prompt: { short: 'p', value: 'TEXT', help: 'Text to go on from (default: a line end)' },
    prompts: { value: 'FILE', help: 'A prompt in each line, or - for standard input; each text is then a line' },
    length: { short: 'n', value: 'N', help: 'Characters to make (default: what the model says, else 500)' },
    count: {
      short: 'c',
      value: 'N',
      help: 'Texts to write, a line end after each; all begin in the same state (default: 1)',
    },
    temperature: {
      short: 't',
      value: 'X',
      help: 'Below 1 bolder, above 1 more varied, 0 the likeliest (default: what the model says, else 1)',
    },
    'top-k': { value: 'K', help: 'Draw from the K likeliest characters only' },
    'top-p': { value: 'P', help: 'Draw from the likeliest characters that have probability P together' },
    seed: { short: 's', value: 'N', help: 'Seed of the draws (default: a random one, told at the end)' },
    stop: { value: 'TEXT', multiple: true, help: 'End before this text (default: what the model says)' },
    ...UNKNOWN,
    ...STATE,
    ...READER_OPTIONS,
    ...KERNELS,
    ...HELD,
  },
  examples: [
    'rivulet generate models/shakespeare --prompt "ROMEO:" --temperature 0.8 --seed 1',
    'rivulet generate models/headlines --count 5 --prompt "Show HN"',
    'rivulet generate models/headlines --prompts beginnings.txt --seed 1',
    'rivulet generate models/shakespeare --stop "\\n\\n" --save-state romeo.state',
  ],

  async run(args, context) {
    const { stdout, stderr, signal } = context;
    const texts = args.number('count', { min: 1, integer: true });
    if (args.text('prompt') !== undefined && args.text('prompts') !== undefined) {
      throw new UsageError('--prompt and --prompts exclude each other');
    }
    const asked = {
      length: args.number('length', { min: 0, integer: true }),
      stop: args.list('stop').map(unescapeText),
      temperature: args.number('temperature', { min: 0 }),
      topK: args.number('top-k', { min: 1, integer: true }),
      topP: args.number('top-p', { min: Number.MIN_VALUE, max: 1 }),
      seed: args.number('seed', { min: 0, integer: true }),
    };
    const model = await openModel(args, context);
    const vocabulary = vocabularyOf(model, args);
    const prompts = await readPrompts(args, context);
    for (const { text, file } of prompts) encodeText(vocabulary, text, file);
    const task = textTask(model);
    const { topK, topP, seed, temperature = task?.temperature, length = task?.length } = asked;
    const sampler = new Sampler({ temperature, topK, topP, seed });
    const stop = asked.stop.length > 0 ? asked.stop : (task?.stop ?? []);
    const options = { length, stop, sampler, signal };
    const isLine = task !== undefined || texts !== undefined || args.text('prompts') !== undefined;
    const stream = await openStream(model, args, context);
    const begin = stream.save();
    const timed = new TimedStream(stream);

    const started = performance.now();
    let made = 0;
    let last = '';
    const all = prompts.flatMap(({ text }) => new Array<string>(texts ?? 1).fill(text));
    for (const [i, text] of all.entries()) {
      if (i > 0) stream.restore(begin);
      if (isLine) await stdout.write(text);
      const prompt = (task?.prompt ?? '') + text;
      const ending = await writeText(generate(timed, vocabulary, { ...options, prompt }), stdout, isLine);
      made += ending.count;
      last = ending.last;
    }
    const seconds = (performance.now() - started) / 1000;
    await saveState(stream, args);
    await stdout.flush();
    const speed = `${count(made / seconds)} characters/s, ${figure(timed.microsecondsPerStep, 3)} µs per step`;
    const how = `${model.kernels} kernels, seed ${sampler.seed}`;
    await stderr.write(stderr.dim(`${count(made)} characters in ${figure(seconds, 3)} s: ${speed} (${how})`));
    await stderr.write('\n');
    const saved = args.text('save-state');
    // What a model of short texts says that one begins with stands before any prompt.
    if (saved === undefined || task?.prompt) return;
    await stderr.write(stderr.dim(`To go on: --state ${quoted(saved)} --prompt ${quoted(escapeText(last))}`));
    await stderr.write('\n');
  },
};

/** What texts begin with, and the file and line that it is from. */
async function readPrompts(args: Arguments, context: Context): Promise<{ text: string; file?: string }[]> {
  const path = args.text('prompts');
  if (path === undefined) return [{ text: unescapeText(args.text('prompt') ?? '') }];
  const file = path === '-' ? STDIN : path;
  const content = path === '-' ? await readAll(context) : await readBytes(path, context);
  const lines = decodeText(content, file)
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  return lines.map((text, i) => ({ text, file: `${file}, line ${i + 1}` }));
}

/** Writes a text as it is made, and a line end after it where it is a line. */
async function writeText(
  pieces: AsyncGenerator<string, Ending, void>,
  stdout: Output,
  isLine: boolean,
): Promise<Ending> {
  let last = '\n';
  try {
    for (;;) {
      const { done, value } = await pieces.next();
      if (done) {
        if (isLine) await stdout.write((last = '\n'));
        return value;
      }
      last = value;
      await stdout.write(stdout.isTerminal ? printable(value) : value);
    }
  } finally {
    // The prompt of the shell, or the line below, begins on a line of its own.
    if (stdout.isTerminal && !last.endsWith('\n')) await stdout.write('\n').catch(() => undefined);
  }
}

/** Adds up the time that the model's steps take, apart from sampling and output. */
class TimedStream implements TokenStream {
  readonly model;
  #milliseconds = 0;
  #steps = 0;

  constructor(private readonly stream: TokenStream) {
    this.model = stream.model;
  }

  get microsecondsPerStep(): number {
    return this.#steps === 0 ? 0 : (1000 * this.#milliseconds) / this.#steps;
  }

  step(token: number, out?: Float32Array): Float32Array {
    const started = performance.now();
    const logits = this.stream.step(token, out);
    this.#milliseconds += performance.now() - started;
    this.#steps++;
    return logits;
  }

  run(tokens: ArrayLike<number>, out?: Float32Array): Float32Array {
    return this.stream.run(tokens, out);
  }
}

/** Shells make it hard to pass a line end, so `\n`, `\t` and `\\` mean what they do in source code. */
function unescapeText(text: string): string {
  const meanings: Readonly<Record<string, string>> = { n: '\n', t: '\t', '\\': '\\' };
  return text.replace(/\\([nt\\])/g, (_, letter: string) => meanings[letter]);
}

/** What `unescapeText` takes for this text. */
const escapeText = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t');
