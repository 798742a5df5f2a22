import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkFile, checkTree, importsOf } from './imports.js';

describe('the import rule', () => {
  it('holds in src/', () => {
    const { files, faults } = checkTree(fileURLToPath(new URL('../../src', import.meta.url)));
    expect(files).toBeGreaterThan(1);
    expect(faults).toEqual([]);
  });
});

describe('the checker', () => {
  it('reads static, type-only, re-exporting, bare and dynamic imports, and no prose', () => {
    const code = [
      `import { a } from './a.js';`,
      `import type { B } from "./b.js";`,
      `export * from './c.js';`,
      `import './d.js';`,
      `const e = await import('./e.js');`,
      `import {\n  f,\n} from './f.js';`,
      `type G = import('./g.js').G;`,
      `// import { no } from './comment.js';`,
      `/* import './block.js'; */`,
      `const text = 'a value from', other = 'import', r = /from '.\\/x.js'/;`,
    ].join('\n');
    expect(importsOf(code)).toEqual(['./a.js', './b.js', './c.js', './d.js', './e.js', './f.js', './g.js']);
  });

  it.each([
    ['graph/check.ts', `import { plan } from '../plan/plan.js';`, 'graph does not see plan'],
    ['formats/onnx.ts', `import { lstm } from '../ops/lstm.js';`, 'formats does not see ops'],
    ['ops/lstm.ts', `import type { X } from '../formats/registry.js';`, 'ops does not see formats'],
    ['errors.ts', `import { read } from './io/source.js';`, 'errors does not see io'],
    ['runtime/model.ts', `const { main } = await import('../cli/main.js');`, 'runtime does not see cli'],
    ['text/generate.ts', `import '../sequences/window.js';`, 'text does not see sequences'],
    ['plan/plan.ts', `import { loadModel } from '../index.js';`, 'public surface'],
    ['plan/plan.ts', `import base64 from '../../build/kernels/simd.js';`, 'outside src'],
    ['io/npy.ts', `import { gzip } from 'fflate';`, 'package fflate'],
    ['plan/plan.ts', `const module = new WebAssembly.Module(bytes);`, 'touches WebAssembly'],
    ['plan/plan.ts', `// prose\n/* more\n */ const ok = WebAssembly.validate(bytes);`, 'plan.ts:3: touches'],
    ['extras/x.ts', `export const x = 1;`, 'stands in no layer'],
  ])('refuses %s with %s', (path, code, fault) => {
    expect(checkFile(path, code)).toEqual([expect.stringContaining(fault)]);
  });

  it.each([
    ['plan/plan.ts', `import { lstm } from '../ops/lstm.js';\nimport type { Graph } from '../graph/graph.js';`],
    ['graph/check.ts', `import type { Graph } from './graph.js';\nimport { RivuletError } from '../errors.js';`],
    ['runtime/kernels.ts', `const { default: code } = await import('../../build/kernels/simd.js');`],
    ['runtime/kernels.ts', `new WebAssembly.Memory({});`],
    ['io/source.ts', `const { readFile } = await import('node:fs/promises'); // WebAssembly.compile`],
    ['plan/plan.ts', `interface Options { kernels?: 'auto' | WebAssembly.Module }`],
    ['index.ts', `export { loadModel } from './runtime/model.js';\nexport { RivuletError } from './errors.js';`],
    ['cli/main.ts', `import { loadModel } from '../index.js';`],
  ])('accepts %s with %s', (path, code) => {
    expect(checkFile(path, code)).toEqual([]);
  });
});
