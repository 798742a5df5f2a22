// The loops that multiply, with their instructions counted, in the text that the compiler writes beside each kernel module
// (build/kernels/*.wat): the same code, with the functions' names.

import { readFileSync } from 'node:fs';
import { kernelFiles } from './kernel-modules.mjs';

/**
 * What an instruction is counted as: the first class that it matches. `uncounted` ones cost nothing by themselves:
 * engines keep locals and small constants in registers.
 */
const CLASSES = [
  ['uncounted', /^(?:local\.get|[if]\d\d\.const|block|loop|end|else|drop|nop|unreachable)$/],
  ['multiply', /^f32x4\.mul$/],
  ['add', /^f32x4\.add$/],
  ['fused', /^f32x4\.relaxed_n?madd$/],
  ['dot', /^i\d+x\d+\.(?:relaxed_)?dot_/],
  ['load', /^v128\.load$/],
  ['splat', /splat$/],
  ['store', /^v128\.store/],
  // V8 makes a vector constant anew in each round.
  ['const', /^v128\.const$/],
  ['vector', /^(?:v128|[if]\d+x\d+)\./],
  // Addresses, counters, and what is done a lane at a time.
  ['scalar', /^[if]\d\d\./],
  ['set', /^local\.(?:set|tee)$/],
  ['branch', /^(?:br|br_if|br_table|if|select|return)$/],
  ['call', /^(?:call|call_indirect)$/],
  ['other', /^/],
];

const KINDS = CLASSES.map(([kind]) => kind).filter((kind) => kind !== 'uncounted');
const PRODUCTS = ['multiply', 'fused', 'dot'];
const kindOf = (instruction) => CLASSES.find(([, pattern]) => pattern.test(instruction))[0];

/**
 * The innermost loops of a module's text that multiply vectors, in the order in which they stand: `{ name, counts }`,
 * named by the function that they ended up in and their place among its innermost loops ("product/rowProduct 2").
 */
export function hotLoops(text) {
  const found = [];
  let name = '';
  let loops = 0;
  let open = [];
  for (const line of text.split('\n')) {
    const opened = /^ \(func \$"?(?:assembly\/)?([^\s"]+)/.exec(line);
    if (opened) {
      name = opened[1].replace('<v128>', '').replace('<v128,', '<');
      loops = 0;
      open = [];
    }
    const [, instruction] = /^ +([a-z]\S*)/.exec(line) ?? [];
    if (!instruction) continue;
    if (/^(?:block|loop|if)$/.test(instruction)) open.push({ isLoop: instruction === 'loop', inner: true, counts: {} });
    const kind = kindOf(instruction);
    if (kind !== 'uncounted') for (const { counts } of open) counts[kind] = (counts[kind] ?? 0) + 1;
    if (instruction !== 'end') continue;
    const { isLoop, inner, counts } = open.pop();
    if (!isLoop || !inner) continue;
    for (const outer of open) outer.inner = false;
    loops++;
    if (PRODUCTS.some((product) => counts[product])) found.push({ name: `${name} ${loops}`, counts });
  }
  return found;
}

const total = (counts, kinds) => kinds.reduce((sum, kind) => sum + (counts[kind] ?? 0), 0);

/** A line about a loop: instructions for each multiplication of vectors, and which they are. */
function describeLoop({ name, counts }) {
  const all = total(counts, KINDS);
  const products = total(counts, PRODUCTS);
  const parts = KINDS.filter((kind) => counts[kind]).map((kind) => `${counts[kind]} ${kind}`);
  return `${name}: ${(all / products).toFixed(2)} = ${all} / ${products}: ${parts.join(', ')}`;
}

/** A line about each hot loop of every kernel file that ships and has vectors, from build/kernels/ below `root`. */
export function listHotLoops(root) {
  const files = kernelFiles(root).filter(({ build, release }) => release && build !== 'scalar');
  return files.flatMap(({ name }) =>
    hotLoops(readFileSync(new URL(`build/kernels/${name}.wat`, root), 'utf8')).map(
      (loop) => `${name} ${describeLoop(loop)}`,
    ),
  );
}
