/** The shows that models/nature-show is measured with: what train.py beside this file trains on, from a seed. */

const PLACES = 8;
const SCENERY = 8;
const OPENING = 3 * PLACES;

/** Numbers of [0, below) from a seed: mulberry32, a generator in the public domain. */
function randomOf(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/**
 * `count` shows, each with `between` observations between the one that decides and the question.
 * @returns {{ observations: Int32Array, answer: 0 | 1 }[]} ids as the model's metadata `observations` lists them
 */
export function shows(between, count, seed) {
  const random = randomOf(seed);
  const animals = (place) => 3 * place + random(2);
  return Array.from({ length: count }, () => {
    const place = random(PLACES);
    const answer = random(2);
    const distractor = () =>
      random(2) === 0 ? animals((place + 1 + random(PLACES - 1)) % PLACES) : 3 * PLACES + random(SCENERY);
    const observations = Int32Array.from([
      ...Array.from({ length: OPENING }, () => animals(random(PLACES))),
      3 * place + answer,
      ...Array.from({ length: between }, distractor),
      3 * place + 2,
    ]);
    return { observations, answer };
  });
}

/** The share of the shows whose last observation the model names rightly. A show begins with an empty state. */
export function accuracy(model, shows) {
  const stream = model.createStream();
  let right = 0;
  for (const { observations, answer } of shows) {
    stream.reset();
    const [dog, wolf] = stream.run(observations).subarray(-2);
    if (Number(wolf > dog) === answer) right++;
  }
  stream.dispose();
  return right / shows.length;
}
