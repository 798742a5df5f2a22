/** Numbers 1, 2 or 5 times a power of ten apart that cover [low, high], about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** The ticks' texts, with as many decimals as tell them apart. */
export function tickLabels(values: readonly number[]): string[] {
  const step = values.length > 1 ? values[1] - values[0] : 1;
  const decimals = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const widest = Math.max(...values.map(Math.abs));
  if (decimals > 6 || widest >= 1e9) return values.map((value) => value.toExponential(2));
  return values.map((value) => (value === 0 ? 0 : value).toFixed(decimals));
}

/** Every n-th of `count` positions, so that texts of `longest` characters fit side by side in `width` pixels. */
export function sparse(count: number, longest: number, width: number): number[] {
  const room = Math.max(1, Math.floor(width / (7 * longest + 16)));
  const rough = Math.max(1, Math.ceil(count / room));
  const power = 10 ** Math.floor(Math.log10(rough));
  const every = power * Math.ceil(rough / power);
  return Array.from({ length: Math.ceil(count / every) }, (_, i) => i * every);
}

/** Names as a title takes them: how many, where they are too many to read. */
export function listed(names: readonly string[]): string {
  const all = names.join(', ');
  return all.length > 70 ? `${names.length} columns` : all;
}

/** Labels of an axis without the seconds that all of them lack. */
export function trimmed(labels: readonly string[]): readonly string[] {
  const isWhole = labels.every((label) => /\d\d:\d\d:00$|^\+\d+$/.test(label));
  return isWhole ? labels.map((label) => label.replace(/:00$/, '')) : labels;
}
