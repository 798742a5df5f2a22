// What the machine can do at most, from inside WebAssembly: how fast it reads, and how fast it multiplies and adds.
import binaryen from 'binaryen';

const MEGABYTE = 1 << 20;
const memory = new WebAssembly.Memory({ initial: (24 * MEGABYTE) / 65536 });
new Int32Array(memory.buffer).fill(0x3f800000);

// Accumulators and loads per round. Which is fastest depends on the engine's register allocation, so all compete.
const READERS = [
  [4, 4],
  [4, 8],
  [6, 6],
  [8, 8],
];

/** `loop(bytes, times)`: [0, bytes) from front to back, `times` times over. `body` handles `step` bytes at $p. */
function loopText(accumulators, step, body) {
  const locals = Array.from({ length: accumulators }, (_, i) => `(local $a${i} v128)`).join(' ');
  const folded = Array.from({ length: accumulators }, (_, i) => `(local.get $a${i})`).reduce(
    (sum, next) => `(v128.xor ${sum} ${next})`,
  );
  return `(module (import "env" "memory" (memory 1))
    (func (export "loop") (param $bytes i32) (param $times i32) (result i32)
      (local $p i32) (local $x v128) (local $y v128) ${locals}
      (local.set $x (v128.load (i32.const 0)))
      (local.set $y (v128.load (i32.const 16)))
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

/** The loop compiled, or undefined where the engine lacks its instructions. */
function compile(text) {
  const module = binaryen.parseText(text);
  module.setFeatures(binaryen.Features.SIMD128 | binaryen.Features.RelaxedSIMD);
  const bytes = module.emitBinary();
  module.dispose();
  if (!WebAssembly.validate(bytes)) return undefined;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports.loop;
}

function makeReader([accumulators, loads]) {
  const body = Array.from({ length: loads }, (_, i) => {
    const a = `$a${i % accumulators}`;
    return `(local.set ${a} (v128.xor (local.get ${a}) (v128.load offset=${i * 16} (local.get $p))))`;
  });
  return { loop: compile(loopText(accumulators, loads * 16, body.join('\n'))), granule: loads * 16 };
}

/** Twelve chains in registers, so that no latency shows and nothing spills. */
const CHAINS = 12;

function makePeak(multiplyAdd) {
  const body = Array.from({ length: CHAINS }, (_, i) => `(local.set $a${i} ${multiplyAdd(`(local.get $a${i})`)})`);
  return compile(loopText(CHAINS, CHAINS, body.join('\n')));
}

const factors = '(local.get $x) (local.get $y)';
const readers = READERS.map(makeReader);
const peaks = {
  simd: makePeak((a) => `(f32x4.add ${a} (f32x4.mul ${factors}))`),
  relaxed: makePeak((a) => `(f32x4.relaxed_madd ${factors} ${a})`),
};
let result = 0;

/**
 * Contenders that each read a working set of `bytes` once per operation; the fastest of them is the floor. `scale` takes
 * the time of what was read, whole rounds of the loop and no more than the memory holds, to that of `bytes`.
 */
export function readContenders(bytes) {
  return readers.map(({ loop, granule }, i) => {
    const read = Math.min(Math.ceil(bytes / granule) * granule, memory.buffer.byteLength - granule);
    return {
      name: `read ${i}`,
      scale: bytes / read,
      run(count) {
        result ^= loop(read, count);
      },
    };
  });
}

/** Contenders that each do 12,000 multiply-adds of four lanes per operation, by build: two roundings, and fused. */
export function peakContenders() {
  const present = Object.entries(peaks).filter(([, loop]) => loop);
  return present.map(([build, loop]) => ({
    name: `peak ${build}`,
    build,
    multiplyAdds: 48000,
    run(count) {
      result ^= loop(12000, count);
    },
  }));
}

/** Keeps the loops' results alive. */
export const floorSink = () => result;
