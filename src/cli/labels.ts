/** A date, or a date and a time, as `toISOString` begins. */
const TIME = /^\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?$/;

/**
 * What the rows after the last are called: times go on where they are evenly spaced, otherwise rows are counted, +1, +2
 * and so on.
 */
export function labelsAfter(labels: readonly string[], count: number): string[] {
  const next = Array.from({ length: count }, (_, i) => `+${i + 1}`);
  if (labels.length < 2 || !labels.every((label) => TIME.test(label))) return next;
  const times = labels.map((label) => Date.parse(`${label.replace(' ', 'T').padEnd(16, 'T00:00')}Z`));
  const step = times[1] - times[0];
  if (!(step > 0) || times.some((time, i) => i > 0 && time - times[i - 1] !== step)) return next;
  const [last] = labels.slice(-1);
  return next.map((_, i) => {
    const time = new Date(times[times.length - 1] + (i + 1) * step).toISOString();
    return time.replace('T', last.charAt(10) || 'T').slice(0, last.length);
  });
}
