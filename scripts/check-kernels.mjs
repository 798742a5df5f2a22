// What each kernel build may and may not hold, read back from its binary with binaryen.
import binaryen from 'binaryen';

/** Functions of a module that an instruction (by its text-format name) occurs in. */
function functionsWith(text, instruction) {
  const found = [];
  let current = '';
  for (const line of text.split('\n')) {
    const opened = /^ \(func \$(\S+)/.exec(line);
    if (opened) current = opened[1];
    if (instruction.test(line)) found.push(current);
  }
  return [...new Set(found)];
}

const V128 = /\((?:v128|[if]\d+x\d+)\./;
const RELAXED = /\([if]\d+x\d+\.relaxed_/;
const GROW = /\(memory\.grow/;
const DATA = /^ \(data \$\S+ \(i32\.const (\d+)\) "((?:[^"\\]|\\.)*)"/gm;
const ALLOWED_IMPORTS = ['env.memory', 'env.table'];

/**
 * Checks the builds `{ name, bytes }` of one module and returns a line about each and the list of faults:
 * imports beside the memory and the table, exports that differ between builds, growing memory, vectors in the scalar
 * build and none in the others, relaxed instructions outside the relaxed one and (where the module multiplies) none in
 * it, data outside of [memoryBase, memoryEnd), where other modules have theirs.
 */
export function checkKernels(builds, { memoryBase = 0, memoryEnd = Infinity, multiplies = true } = {}) {
  const summary = [];
  const faults = [];
  const exportsOf = new Map();
  for (const { name, bytes } of builds) {
    // Read from the text and not by the engine, which may know no relaxed instructions.
    const module = binaryen.readBinary(bytes);
    const text = module.emitText();
    const functions = module.getNumFunctions();
    module.dispose();
    const imports = [...text.matchAll(/^ \(import "([^"]*)" "([^"]*)"/gm)].map(([, from, what]) => `${from}.${what}`);
    for (const what of imports) if (!ALLOWED_IMPORTS.includes(what)) faults.push(`${name} imports ${what}`);
    exportsOf.set(
      name,
      [...text.matchAll(/^ \(export "([^"]*)" \((\w+)/gm)].map(([, what, kind]) => `${kind} ${what}`),
    );
    for (const [, offset, data] of text.matchAll(DATA)) {
      const end = Number(offset) + data.replace(/\\(?:[0-9a-f]{2}|.)/gi, '.').length;
      if (offset < memoryBase || end > memoryEnd) faults.push(`${name} has data at ${offset}..${end}, outside its own`);
    }
    const forbid = (instruction, what) => {
      const where = functionsWith(text, instruction);
      if (where.length > 0) faults.push(`${name} holds ${what} in ${where.length} functions: ${where.join(', ')}`);
    };
    forbid(GROW, 'memory.grow');
    if (name === 'scalar') forbid(V128, 'vector instructions');
    if (name !== 'relaxed') forbid(RELAXED, 'relaxed instructions');
    if (name !== 'scalar' && !V128.test(text)) faults.push(`${name} holds no vector instructions`);
    if (multiplies && name === 'relaxed' && !RELAXED.test(text)) faults.push(`${name} holds no relaxed instructions`);
    summary.push(`${name}: ${exportsOf.get(name).length} exports, ${functions} functions, ${bytes.length} bytes`);
  }

  const [first, ...others] = exportsOf.keys();
  for (const other of others) {
    const a = new Set(exportsOf.get(first));
    const b = new Set(exportsOf.get(other));
    const missing = [...a].filter((entry) => !b.has(entry));
    const extra = [...b].filter((entry) => !a.has(entry));
    if (missing.length > 0) faults.push(`${other} lacks what ${first} exports: ${missing.join(', ')}`);
    if (extra.length > 0) faults.push(`${other} exports what ${first} does not: ${extra.join(', ')}`);
  }
  return { summary, faults };
}
