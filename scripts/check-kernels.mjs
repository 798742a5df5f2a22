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
const ALLOWED_IMPORT = 'env.memory';

/**
 * Checks the builds `{ name, bytes }` and returns a line about each and the list of faults:
 * imports beside the memory, exports that differ between builds, growing memory, vectors in the scalar build and
 * none in the others, relaxed instructions outside the relaxed one and none in it.
 */
export function checkKernels(builds) {
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
    for (const extra of imports.filter((entry) => entry !== ALLOWED_IMPORT)) faults.push(`${name} imports ${extra}`);
    exportsOf.set(
      name,
      [...text.matchAll(/^ \(export "([^"]*)" \((\w+)/gm)].map(([, what, kind]) => `${kind} ${what}`),
    );
    const forbid = (instruction, what) => {
      const where = functionsWith(text, instruction);
      if (where.length > 0) faults.push(`${name} holds ${what} in ${where.length} functions: ${where.join(', ')}`);
    };
    forbid(GROW, 'memory.grow');
    if (name === 'scalar') forbid(V128, 'vector instructions');
    if (name !== 'relaxed') forbid(RELAXED, 'relaxed instructions');
    if (name !== 'scalar' && !V128.test(text)) faults.push(`${name} holds no vector instructions`);
    if (name === 'relaxed' && !RELAXED.test(text)) faults.push(`${name} holds no relaxed instructions`);
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
