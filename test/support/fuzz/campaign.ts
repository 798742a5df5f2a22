/**
 * Mutation fuzzing of readers, one way for all of them. A reader's test says what its sound files are and how their
 * structure can be altered; the campaign makes files of them, loads each in a process of its own, and fails on anything
 * but a loaded model (which is then stepped) or a RivuletError, within two seconds and 512 MB.
 *
 *     const target: Target = {
 *       name: 'keras',
 *       seeds: [{ bytes: readFileSync(...) }, { bytes, options: { weights: { 'a.bin': shard } } }],
 *       mutations: [(bytes, random) => encode(mutateJson(decode(bytes), random, ['LSTM', 'Dense']))],
 *       reaches: { loaded: 0.05, refused: ['INVALID_FILE', 'UNSUPPORTED_OPERATOR'] },
 *     };
 *     it('hostile Keras files', () => runCampaign(target), CAMPAIGN_TIMEOUT);
 *
 * - `bytes.ts` has what any file can suffer (every target gets it), `json.ts` and `protobuf.ts` alter what these hold and
 *   put lengths right, so that the checks behind the parser are met. A mutation of your own gets a seeded `Random` and must
 *   not write to the bytes it is given. `mutateOptions` alters what goes beside the file: shards, external data.
 * - 20,000 files a target by default. `npm run fuzz -- keras --count 1000000 --seed 2` runs longer, and
 *   `npm run fuzz -- keras --seed 2 --first 4711 --count 1` runs one case again: a failure says which, and leaves the file.
 * - The files are loaded by dist/, which must be built: `npm test` sees to it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isStale } from '../../../scripts/stale.mjs';
import type { ErrorCode } from '../../../src/errors.js';
import { type Mutation, mutateBytes } from './bytes.js';
import { Random } from './random.js';

/** A sound file, and the options of `loadModel` that it needs. */
export interface Seed {
  bytes: Uint8Array;
  options?: Record<string, unknown>;
}

export interface Target {
  name: string;
  seeds: readonly Seed[];
  /** How the format's structure is altered. */
  mutations: readonly Mutation[];
  /** Alters what is loaded beside the file, in one case of four. */
  mutateOptions?: (options: Record<string, unknown>, random: Random) => Record<string, unknown>;
  /** Share of cases that only bytes are changed in; the rest meet `mutations`. */
  bytesShare?: number;
  /**
   * What shows that the deeper parts were met: the share of files that still load, and codes that others end in. A campaign
   * of fewer files than the tests' shows neither.
   */
  reaches: { loaded: number; refused: readonly ErrorCode[] };
}

/** How the files of a campaign ended. */
export interface Report {
  count: number;
  loaded: number;
  /** How often each code was thrown. */
  refused: Record<string, number>;
  /** By the clock, so other work on the machine counts; what a file may cost is processor time. */
  slowestMilliseconds: number;
  /** The most that the process's memory grew over what it was after the first sound file. */
  mostMegabytes: number;
}

/** What one file may cost: seconds of processor time, and memory over that of a process that has loaded a sound one. */
const MILLISECONDS = 2000;
const MEGABYTES = 512;
/** A process that says nothing for so long hangs. */
const SILENCE = 30_000;
/**
 * Files in one message. A message, and asking for processor time, cost as much as loading a small file, so it is asked for
 * all together: none of them took more.
 */
const BATCH = 16;

const settings = (name: string, fallback: number) => Number(process.env[`RIVULET_FUZZ_${name}`] ?? fallback);

/** Files a campaign makes in the tests. */
const WHOLE = 20_000;
/** Files this one makes, the seed of its random numbers, and the number of its first case. */
const COUNT = settings('COUNT', WHOLE);
const SEED = settings('SEED', 1);
const FIRST = settings('FIRST', 0);

/** For the test around a campaign: nothing of it depends on the machine's speed but this. */
export const CAMPAIGN_TIMEOUT = 120_000 + COUNT * 20;

interface Outcome {
  outcome: string;
  error?: string;
  milliseconds: number;
}

/** How the files of a message ended, and what they cost together. */
interface Answer {
  outcomes: Outcome[];
  milliseconds: number;
  megabytes: number;
}

/** The file and options of one case: the same for the same seed, whatever came before. */
function makeCase(target: Target, index: number): Seed {
  const random = new Random(SEED, index);
  const { bytes, options = {} } = random.pick(target.seeds);
  const { mutations, mutateOptions, bytesShare = 0.3 } = target;
  if (mutateOptions && random.chance(0.25)) return { bytes, options: mutateOptions(options, random) };
  const mutate = mutations.length === 0 || random.chance(bytesShare) ? mutateBytes : random.pick(mutations);
  return { bytes: mutate(bytes, random), options };
}

/** A process that loads files. */
class Loader {
  private readonly child: ChildProcess;
  private readonly answers: Answer[] = [];
  private wake: () => void = () => undefined;
  private ended: string | undefined;

  constructor() {
    // The heap's own limit catches what would otherwise fill the machine.
    this.child = fork(fileURLToPath(new URL('./child.mjs', import.meta.url)), {
      execArgv: [`--max-old-space-size=${MEGABYTES}`, '--max-semi-space-size=4'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let complaint = '';
    this.child.stderr?.on('data', (text) => {
      complaint = (complaint + text).slice(-2000);
    });
    this.child.on('message', (answer: Answer) => {
      this.answers.push(answer);
      this.wake();
    });
    this.child.on('exit', (code, signal) => {
      this.ended = `the process ended with ${signal ?? code}: ${complaint}`;
      this.wake();
    });
  }

  /** @param first the number of the first of them. */
  send(first: number, cases: readonly Seed[]): void {
    if (this.ended === undefined) this.child.send({ first, cases });
  }

  /** The next answer, or why there is none. */
  async answer(): Promise<Answer | string> {
    for (;;) {
      const next = this.answers.shift();
      if (next) return next;
      if (this.ended !== undefined) return this.ended;
      const silent = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), SILENCE);
        this.wake = () => {
          clearTimeout(timer);
          resolve(false);
        };
      });
      if (silent) return `nothing in ${SILENCE / 1000} s: it hangs`;
    }
  }

  stop(): void {
    this.child.removeAllListeners();
    this.child.kill('SIGKILL');
  }
}

/** A fresh process that has loaded a sound file, and the memory it then has. */
async function begin(sound: Seed): Promise<{ loader: Loader; base: number }> {
  const loader = new Loader();
  loader.send(0, [sound]);
  const answer = await loader.answer();
  if (typeof answer !== 'string' && answer.outcomes[0].outcome === 'loaded') return { loader, base: answer.megabytes };
  loader.stop();
  throw new Error(`the sound file does not load: ${JSON.stringify(answer)}`);
}

/** What is wrong with an answer, if anything is. */
function faultOf(answer: Answer | string, base: number): string | undefined {
  if (typeof answer === 'string') return answer;
  const threw = answer.outcomes.find(({ outcome }) => outcome === 'threw');
  if (threw) return `threw ${threw.error}`;
  if (answer.milliseconds > MILLISECONDS) return `took ${answer.milliseconds.toFixed(0)} ms`;
  const megabytes = answer.megabytes - base;
  return megabytes > MEGABYTES ? `took ${megabytes.toFixed(0)} MB` : undefined;
}

/** Loads every file of a campaign. @throws Error where one ends in any other way than a file may, or too little is reached. */
export async function runCampaign(target: Target): Promise<void> {
  const { name, seeds, reaches } = target;
  const { count, loaded, refused } = await run(name, seeds[0], FIRST, COUNT, (index) => makeCase(target, index));
  if (count < WHOLE) return;
  if (loaded <= reaches.loaded * count) throw new Error(`${name}: ${loaded} of ${count} loaded, too few`);
  const missed = reaches.refused.filter((code) => refused[code] === undefined);
  if (missed.length > 0) throw new Error(`${name}: nothing ended in ${missed.join(', ')}`);
}

/** The same for files that somebody wrote by hand; `sound` is one that loads. */
export async function runFiles(name: string, sound: Seed, files: readonly Seed[]): Promise<void> {
  await run(name, sound, 0, files.length, (index) => files[index]);
}

async function run(
  name: string,
  sound: Seed,
  first: number,
  files: number,
  caseOf: (index: number) => Seed,
): Promise<Report> {
  const path = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
  if (isStale([path('dist/index.js')], [path('src')])) throw new Error('dist/ is older than src/: npm run build');
  const report: Report = { count: files, loaded: 0, refused: {}, slowestMilliseconds: 0, mostMegabytes: 0 };
  let { loader, base } = await begin(sound);
  const count = (answer: Answer) => {
    for (const { outcome, milliseconds } of answer.outcomes) {
      if (outcome === 'loaded') report.loaded++;
      else report.refused[outcome] = (report.refused[outcome] ?? 0) + 1;
      report.slowestMilliseconds = Math.max(report.slowestMilliseconds, milliseconds);
    }
    report.mostMegabytes = Math.max(report.mostMegabytes, answer.megabytes - base);
  };
  const renew = async () => {
    loader.stop();
    ({ loader, base } = await begin(sound));
  };
  const end = first + files;
  const after = (index: number) => Math.min(end, index + BATCH);
  const send = (from: number) =>
    loader.send(
      from,
      Array.from({ length: after(from) - from }, (_, i) => caseOf(from + i)),
    );
  try {
    // The next are made while these are loaded.
    let sent = first;
    for (let from = first; from < end; from = after(from)) {
      for (; sent < Math.min(end, from + 2 * BATCH); sent = after(sent)) send(sent);
      const answer = await loader.answer();
      if (faultOf(answer, base) === undefined) {
        count(answer as Answer);
        continue;
      }
      // One of them is at fault, or what they left together, or other work on the machine: they are heard again, each alone.
      await renew();
      for (let index = from; index < after(from); index++) {
        const one = caseOf(index);
        const ask = async () => {
          loader.send(index, [one]);
          return await loader.answer();
        };
        let alone = await ask();
        if (faultOf(alone, base) !== undefined) {
          // Garbage of the case before may weigh on this one.
          await renew();
          alone = await ask();
        }
        const fault = faultOf(alone, base);
        if (fault !== undefined) throw failure(name, index, one, fault);
        count(alone as Answer);
      }
      sent = after(from);
    }
  } finally {
    loader.stop();
  }
  console.log(name, JSON.stringify(report));
  return report;
}

function failure(name: string, index: number, { bytes }: Seed, fault: string): Error {
  const file = join(tmpdir(), `rivulet-fuzz-${name}-${SEED}-${index}`);
  writeFileSync(file, bytes);
  return new Error(
    `case ${index} of seed ${SEED} ${fault}\nkept as ${file}; again: npm run fuzz -- ${name} --seed ${SEED} --first ${index} --count 1`,
  );
}
