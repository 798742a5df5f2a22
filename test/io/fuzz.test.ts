import { expect, it } from 'vitest';
import { readNpy, writeNpy } from '../../src/io/npy.js';
import { mutateBytes } from '../support/fuzz/bytes.js';
import { ends } from '../support/fuzz/ends.js';
import { Random } from '../support/fuzz/random.js';

it('hostile .npy files end as an array or a RivuletError', () => {
  const numbers = Float32Array.from({ length: 12 }, (_, i) => i);
  const seed = writeNpy(numbers, [3, 4]);
  let read = 0;
  for (let i = 0; i < 20_000; i++) if (ends(() => readNpy(mutateBytes(seed, new Random(1, i))))) read++;
  expect(read).toBeGreaterThan(1000);
});
