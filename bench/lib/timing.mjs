// Interleaved rounds: every contender runs once in each round, in a rotated order, so that a slow spell of the machine
// falls on all of them alike; what is reported is the median over rounds and the quartiles.

/** The q-th quantile of sorted numbers, by linear interpolation. */
export function quantile(sorted, q) {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}

/** Three digits, or all of a number that has more before its point. */
export const digits = (value) => (value >= 1000 ? value.toFixed(0) : value.toPrecision(3));

/**
 * Times contenders `{ name, run }`, where `run(n)` performs n operations and may return a promise. A first pass warms up
 * and finds for each the n that fills `roundMs`. Returns, by name, `{ median, low, high }`: microseconds per operation,
 * the median and the quartiles.
 */
export async function measure(contenders, { rounds = 15, roundMs = 20, warmMs = 150 } = {}) {
  const counts = [];
  for (const { run } of contenders) {
    let count = 1;
    let perOperation = Number.POSITIVE_INFINITY;
    const until = performance.now() + warmMs;
    do {
      const started = performance.now();
      await run(count);
      const took = performance.now() - started;
      perOperation = took / count;
      if (took < roundMs / 2) count *= 2;
    } while (performance.now() < until);
    counts.push(Math.max(1, Math.round(roundMs / perOperation)));
  }
  const times = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let k = 0; k < contenders.length; k++) {
      const i = (k + round) % contenders.length;
      const started = performance.now();
      await contenders[i].run(counts[i]);
      times[i].push(((performance.now() - started) * 1000) / counts[i]);
    }
  }
  return new Map(
    contenders.map(({ name }, i) => {
      const sorted = times[i].sort((a, b) => a - b);
      return [name, { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75) }];
    }),
  );
}
