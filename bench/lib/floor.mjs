// The machine's reading speed, from inside WebAssembly: the least time in which a step could read its weights.
import binaryen from 'binaryen';

// Accumulators and loads per round. Which is fastest depends on the engine's register allocation, so all compete.
const SHAPES = [
  [4, 4],
  [4, 8],
  [6, 6],
  [8, 8],
];

/** `read(bytes, times)`: loads every 16 bytes of [0, bytes) and folds them together, `times` times over. */
function readerText(accumulators, loads) {
  const step = loads * 16;
  const locals = Array.from({ length: accumulators }, (_, i) => `(local $a${i} v128)`).join(' ');
  const body = Array.from({ length: loads }, (_, i) => {
    const a = `$a${i % accumulators}`;
    return `(local.set ${a} (v128.xor (local.get ${a}) (v128.load offset=${i * 16} (local.get $p))))`;
  }).join('\n');
  const folded = Array.from({ length: accumulators }, (_, i) => `(local.get $a${i})`).reduce(
    (sum, next) => `(v128.xor ${sum} ${next})`,
  );
  return `(module (memory (export "memory") 64)
    (func (export "read") (param $bytes i32) (param $times i32) (result i32)
      (local $p i32) ${locals}
      (loop $again
        (local.set $p (i32.const 0))
        (loop $next
          ${body}
          (local.set $p (i32.add (local.get $p) (i32.const ${step})))
          (br_if $next (i32.lt_u (local.get $p) (local.get $bytes))))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (local.get $times)))
      (i32x4.extract_lane 0 ${folded})))`;
}

function makeReader([accumulators, loads]) {
  const module = binaryen.parseText(readerText(accumulators, loads));
  module.setFeatures(binaryen.Features.SIMD128);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.emitBinary()));
  module.dispose();
  new Int32Array(exports.memory.buffer).forEach((_, i, words) => {
    words[i] = i;
  });
  return { read: exports.read, granule: loads * 16 };
}

const readers = SHAPES.map(makeReader);
let sink = 0;

/**
 * Contenders that each read a working set of `bytes` once per operation; the fastest of them is the floor. Sizes are
 * rounded up to a whole round of the loop.
 */
export function floorContenders(bytes) {
  return readers.map(({ read, granule }, i) => {
    const rounded = Math.ceil(bytes / granule) * granule;
    return {
      name: `floor ${i}`,
      scale: bytes / rounded,
      run(count) {
        sink ^= read(rounded, count);
      },
    };
  });
}

/** Keeps the readers' results alive. */
export const floorSink = () => sink;
