// What bench/results/ holds, read for the tables and the chart.
import { readFileSync } from 'node:fs';

/** The results of one mode in a file: `{ engine, rows, ours }`, `ours` being Rivulet's contenders. */
export function readResults(name, mode = 'step') {
  const { machine, results } = JSON.parse(readFileSync(new URL(`../results/${name}.json`, import.meta.url), 'utf8'));
  const rows = results.filter((result) => result.mode === mode);
  return { engine: engineOf(machine), rows, ours: Object.keys(rows[0].times).filter(isOurs) };
}

/** By what names Rivulet's own go: its builds. */
export const isOurs = (name) => /^(?:scalar|simd|relaxed|auto)(?: |$)/.test(name);

/** "Node 24", "Firefox 153". */
function engineOf({ browser, node }) {
  const [, name, major] = /(Chromium|Chrome|Firefox) (\d+)/.exec(browser) ?? [undefined, 'Node', parseInt(node, 10)];
  return `${name} ${major}`;
}

export const labelOf = (name) => name.replace('-int8', ' int8');
