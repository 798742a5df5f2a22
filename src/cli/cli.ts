import { readFile } from 'node:fs/promises';
import { RivuletError } from '../errors.js';
import { benchVerb } from './bench.js';
import { convertVerb } from './convert.js';
import { detectVerb } from './detect.js';
import { evaluateVerb } from './evaluate.js';
import { forecastVerb } from './forecast.js';
import { generateVerb } from './generate.js';
import type { Host, Verb } from './host.js';
import { inspectVerb } from './inspect.js';
import { Arguments, columns, helpOf, UsageError } from './options.js';
import { Output, printable } from './output.js';
import { inShell } from './reader-options.js';
import { runVerb } from './run.js';
import { traceVerb } from './trace.js';

const VERBS: readonly Verb[] = [
  generateVerb,
  inspectVerb,
  runVerb,
  evaluateVerb,
  forecastVerb,
  detectVerb,
  traceVerb,
  convertVerb,
  benchVerb,
];

const EXIT_CODES = [
  ['0', 'done, or the reader of the output has gone'],
  ['1', 'the work failed; stderr says why'],
  ['2', 'the command line makes no sense'],
  ['130', 'interrupted'],
];

/** Runs one command line, without the program's name, and resolves to its exit code. Never rejects. */
export async function main(argv: readonly string[], host: Host): Promise<number> {
  const stdout = new Output(host.stdout, host.env);
  const stderr = new Output(host.stderr, host.env);
  try {
    return await dispatch(argv, { stdin: host.stdin, stdout, stderr, signal: host.signal });
  } catch (error) {
    if (host.signal.aborted) return 130;
    if (isClosedPipe(error)) return 0;
    const hint = error instanceof UsageError ? `Try: rivulet ${nameIn(argv)}--help\n` : '';
    // Whatever is neither of these is a fault of this program, and its stack is what a report needs.
    const isExpected = error instanceof RivuletError || error instanceof UsageError;
    const message = isExpected
      ? (error instanceof RivuletError ? inShell(error) : error).message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
    await stderr.write(`${stderr.red('error:')} ${printable(message)}\n${hint}`).catch(() => undefined);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function dispatch(argv: readonly string[], context: Parameters<Verb['run']>[1]): Promise<number> {
  const { stdout } = context;
  const [word, ...rest] = argv;
  if (word === '--version' || word === '-V') {
    await stdout.write(`${await version()}\n`);
  } else if (word === '--help' || word === '-h' || word === 'help') {
    await stdout.write(rest.length > 0 ? helpOf(verbNamed(rest[0])) : overview());
  } else {
    const verb = verbNamed(word);
    const args = new Arguments(verb, rest);
    if (args.flag('help')) await stdout.write(helpOf(verb));
    else await verb.run(args, context);
  }
  await stdout.flush();
  return 0;
}

function verbNamed(word: string | undefined): Verb {
  const verb = VERBS.find(({ name }) => name === word);
  if (verb) return verb;
  const names = VERBS.map(({ name }) => name).join(', ');
  if (word === undefined) throw new UsageError(`A verb is missing: ${names}`);
  throw new UsageError(`Unknown ${word.startsWith('-') ? 'option' : 'verb'} "${word}"; the verbs are ${names}`);
}

function nameIn([word]: readonly string[]): string {
  return VERBS.some(({ name }) => name === word) ? `${word} ` : '';
}

function overview(): string {
  const verbs = columns(VERBS.map(({ name, summary }) => [name, summary]));
  return [
    'Rivulet runs trained recurrent networks, one time step at a time.',
    'Usage: rivulet VERB [arguments] [options]',
    `Verbs:\n${verbs}`,
    `Options:\n${columns([
      ['-h, --help', 'Show this help; after a verb, that of the verb'],
      ['-V, --version', 'Show the version'],
    ])}`,
    `Exit codes:\n${columns(EXIT_CODES)}`,
    'Example:\n  rivulet generate models/shakespeare --prompt "ROMEO:" --seed 1\n',
  ].join('\n\n');
}

/** From package.json, which lies one folder above dist/ and two above src/cli/. */
async function version(): Promise<string> {
  for (const path of ['../package.json', '../../package.json']) {
    const text = await readFile(new URL(path, import.meta.url), 'utf8').catch(() => '{}');
    const { name, version } = JSON.parse(text);
    if (name === 'rivulet') return version;
  }
  return 'unknown';
}

function isClosedPipe(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';
}
