import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative } from 'node:path';

/**
 * The layers in order: a folder imports from layers above it and from itself. Folders on one line do not see each
 * other.
 */
export const LAYERS: readonly (readonly string[])[] = [
  ['errors'],
  ['options'],
  ['io'],
  ['graph'],
  ['formats', 'ops'],
  ['plan'],
  ['runtime'],
  ['text', 'sequences', 'convert'],
  ['adapters', 'compiler'],
  ['cli'],
];

/** The one folder that may name the `WebAssembly` global. */
const WASM_OWNER = 'runtime';

/** The layer's folder that a path below src/ belongs to: `graph/check.ts` -> `graph`, `errors.ts` -> `errors`. */
const folderOf = (path: string) => (path.split('/')[0] as string).replace(/\.[jt]s$/, '');
const rankOf = (folder: string) => LAYERS.findIndex((layer) => layer.includes(folder));

// One token of TypeScript, as far as the rule needs it: comments, strings, whole templates, regular expressions (a slash
// that follows an operator or an opening bracket), words, and single characters of anything else.
const TOKEN =
  /(?<comment>\/\*[\s\S]*?\*\/|\/\/[^\n]*)|(?<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|(?<template>`(?:\\[\s\S]|[^`\\])*`)|(?<=[(,=:[!&|?{};]\s*)(?<regex>\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/\w*)|(?<word>[\w$]+)|(?<other>\S)/g;

interface Token {
  kind: string;
  text: string;
  line: number;
}

/** The tokens of a source that are code: comments are left out. */
function tokensOf(code: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let end = 0;
  for (const match of code.matchAll(TOKEN)) {
    line += code.slice(end, match.index).split('\n').length - 1;
    const [kind = '', text = ''] = Object.entries(match.groups ?? {}).find(([, value]) => value !== undefined) ?? [];
    if (kind !== 'comment') tokens.push({ kind, text, line });
    line += match[0].split('\n').length - 1;
    end = match.index + match[0].length;
  }
  return tokens;
}

/** The specifiers of every static, dynamic, type-only and re-exporting import. */
export function importsOf(code: string): string[] {
  const tokens = tokensOf(code);
  return tokens.flatMap(({ kind, text }, i) => {
    if (kind !== 'string' && kind !== 'template') return [];
    const before = tokens[i - 1]?.text;
    const isImport = before === 'from' || before === 'import' || (before === '(' && tokens[i - 2]?.text === 'import');
    return isImport ? [text.slice(1, -1)] : [];
  });
}

/** The line of the first use of the `WebAssembly` object as a value, or undefined. A type needs no engine and may be named. */
function wasmLine(code: string): number | undefined {
  const tokens = tokensOf(code);
  const found = tokens.find(({ kind, text }, i) => {
    if (kind !== 'word' || text !== 'WebAssembly') return false;
    const before = tokens[i - 1]?.text ?? '';
    const member = tokens[i + 1]?.text === '.' ? (tokens[i + 2]?.text ?? '') : '';
    return /^(?:new|instanceof|typeof|=|\()$/.test(before) || !/^[A-Z]/.test(member);
  });
  return found?.line;
}

/** The faults of one file; `path` is relative to src/, with forward slashes. */
export function checkFile(path: string, code: string): string[] {
  const faults: string[] = [];
  const folder = folderOf(path);
  const rank = rankOf(folder);
  const isIndex = path === 'index.ts';
  if (rank < 0 && !isIndex) faults.push(`${path}: folder "${folder}" stands in no layer`);

  for (const specifier of importsOf(code)) {
    if (!specifier.startsWith('.')) {
      // Built-in modules of Node: nothing else is there at run time.
      if (!specifier.startsWith('node:') && folder !== 'compiler')
        faults.push(`${path}: imports the package ${specifier}`);
      continue;
    }
    const target = posix.normalize(posix.join(posix.dirname(path), specifier));
    if (target.startsWith('../')) {
      const isKernel = /^\.\.\/build\/kernels\/[\w-]+\.js$/.test(target);
      const isVersion = target === '../package.json';
      if (!isVersion && !(isKernel && folder === WASM_OWNER)) faults.push(`${path}: imports ${specifier}, outside src`);
      continue;
    }
    if (target === 'index.js' && folder !== 'cli') {
      faults.push(`${path}: imports the public surface, src/index.ts`);
      continue;
    }
    if (isIndex || target === 'index.js') continue;
    const other = folderOf(target);
    const otherRank = rankOf(other);
    if (otherRank > rank || (otherRank === rank && other !== folder)) {
      faults.push(`${path}: imports ${target}; ${folder} does not see ${other}`);
    }
  }

  const line = folder === WASM_OWNER ? undefined : wasmLine(code);
  if (line !== undefined) faults.push(`${path}:${line}: touches WebAssembly; only ${WASM_OWNER} does`);
  return faults;
}

/** The faults of every TypeScript file below a folder. */
export function checkTree(src: string): { files: number; faults: string[] } {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const faults = files.flatMap((name) => {
    const path = relative(src, join(src, name)).replaceAll('\\', '/');
    return checkFile(path, readFileSync(join(src, name), 'utf8'));
  });
  return { files: files.length, faults };
}
