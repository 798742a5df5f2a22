// build/kernels/NAME.wasm -> NAME.js, a module whose default export is the binary in base64, and its NAME.d.ts.
import { readFileSync, writeFileSync } from 'node:fs';

/** Writes the module beside the binary at `wasm`. */
export function inlineKernel(wasm) {
  const base = wasm.replace(/\.wasm$/, '');
  writeFileSync(`${base}.js`, `export default '${readFileSync(wasm).toString('base64')}';\n`);
  writeFileSync(`${base}.d.ts`, 'declare const base64: string;\nexport default base64;\n');
}
