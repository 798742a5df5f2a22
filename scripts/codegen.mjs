// npm run codegen: writes what the kernels' hot loops consist of into test/structure/codegen.txt, which a test holds the
// build to, so that a change of the code that engines are given is seen in review.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { listHotLoops } from './hot-loops.mjs';

const root = new URL('..', import.meta.url);
execFileSync(process.execPath, [fileURLToPath(new URL('scripts/build-kernels.mjs', root))], { stdio: 'inherit' });
const lines = [
  '# The innermost loops of the kernels that multiply, by file, function and place: instructions for each multiplication of',
  '# vectors, and which they are. Written by `npm run codegen` (scripts/hot-loops.mjs says what is counted as what).',
  ...listHotLoops(root),
];
writeFileSync(new URL('test/structure/codegen.txt', root), `${lines.join('\n')}\n`);
