// build/ts -> dist: the entries for Node and bundlers with one chunk per kernel build, so that only the build that is
// picked is loaded; and one self-contained file for a plain <script type="module">.
import { readFileSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import terser from '@rollup/plugin-terser';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const kernelModule = /(?:^|\/)build\/kernels\/([\w-]+)\.js$/;

/** Sources name the inlined kernels by their path from src/; tsc's output lies one folder deeper. */
const kernels = {
  name: 'kernels',
  resolveId: (id) => (kernelModule.test(id) ? resolve('build/kernels', basename(id)) : null),
  // A map of base64 would hold it a second time and explain nothing.
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (!chunk.fileName.startsWith('kernels-') || chunk.type !== 'chunk') continue;
      chunk.code = chunk.code.replace(/\/\/# sourceMappingURL=.*\n?$/, '');
      delete bundle[chunk.sourcemapFileName];
    }
    for (const file of Object.values(bundle)) {
      if (file.type !== 'asset' || !file.fileName.endsWith('.map')) continue;
      const map = JSON.parse(file.source);
      map.sourcesContent = map.sourcesContent.map((text, i) => (kernelModule.test(map.sources[i]) ? null : text));
      file.source = JSON.stringify(map);
    }
  },
};

const common = {
  external: /^node:/,
  plugins: [kernels],
  onLog(level, log, handler) {
    // A circular or unresolved import is a mistake here, never a warning to get used to.
    if (level === 'warn') throw new Error(log.message);
    handler(level, log);
  },
};

const output = {
  dir: 'dist',
  format: 'es',
  sourcemap: true,
  generatedCode: 'es2015',
  banner: (chunk) =>
    `${chunk.name === 'cli' && chunk.isEntry ? '#!/usr/bin/env node\n' : ''}/*! Rivulet ${version}, MIT */`,
  plugins: [
    terser({
      module: true,
      ecma: 2020,
      compress: { passes: 2 },
      // Node shows the line of an error that nobody caught, and its class.
      keep_classnames: /^RivuletError$/,
      format: { ascii_only: true, max_line_len: 400 },
    }),
  ],
};

const readerModule = /(?:^|\/)formats\/(\w+)\/\1\.js$/;

/** Modules whose every export the core's entry has. */
const CORE_MODULES = new Set(['index.js', 'errors.js', 'runtime/load.js']);

/** Leaves to the core's files what they have: one class of errors, one copy of each reader and of the runtime. */
const core = {
  name: 'core',
  resolveId(id, importer) {
    if (!importer || !id.startsWith('.')) return null;
    const path = relative('build/ts', resolve(dirname(importer), id)).replaceAll('\\', '/');
    const reader = readerModule.exec(path)?.[1];
    if (reader) return { id: `./reader-${reader}.js`, external: true };
    return CORE_MODULES.has(path) ? { id: './index.js', external: true } : null;
  },
};

/** Names chunks: kernels alike in every bundle, whose files are the same; the rest by the bundle they belong to. */
const chunkName =
  (prefix) =>
  ({ facadeModuleId }) => {
    const path = (facadeModuleId ?? '').replaceAll('\\', '/');
    const kernel = kernelModule.exec(path);
    if (kernel) return `kernels-${kernel[1]}.js`;
    if (path.endsWith('/ops/all.js')) return `${prefix}operators.js`;
    return `${prefix}${readerModule.test(path) ? 'reader' : 'shared'}-[name].js`;
  };
const split = (prefix) => ({ ...output, entryFileNames: '[name].js', chunkFileNames: chunkName(prefix) });

export default [
  {
    ...common,
    input: { index: 'build/ts/index.js', text: 'build/ts/text/index.js', sequences: 'build/ts/sequences/index.js' },
    output: split(''),
  },
  // By themselves: what only these use of a shared module, such as the references of the operators, would otherwise weigh
  // on the core entry.
  {
    ...common,
    input: {
      cli: 'build/ts/cli/main.js',
      convert: 'build/ts/convert/index.js',
      pool: 'build/ts/adapters/pool/index.js',
      'pool-worker': 'build/ts/adapters/pool/worker.js',
    },
    plugins: [core, ...common.plugins],
    output: split('tools-'),
  },
  {
    ...common,
    input: { 'rivulet.browser': 'build/ts/index.js' },
    output: { ...output, entryFileNames: '[name].js', inlineDynamicImports: true },
  },
];
