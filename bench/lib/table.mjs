// Markdown tables of results.
import { isOurs, labelOf, readResults } from './results.mjs';
import { digits } from './timing.mjs';

const BASE = 'onnxruntime-web';
/** Quartiles stand beside a median where they lie further apart than this, relative to it. */
const WIDE = 0.08;

/**
 * The files' results of one mode for the cells `ops` side by side, a row for each size: the contenders, how many times
 * faster Rivulet's are than onnxruntime-web, the floor.
 */
export function drawTable(mode, ops, files) {
  const all = files.map((file) => readResults(file, mode));
  const rows = all[0].rows.filter(({ op }) => ops.includes(op));
  const same = (a) => (b) => a.op === b.op && a.inputs === b.inputs && a.hidden === b.hidden;
  const lines = rows.map((row) => {
    const cells = all.flatMap(({ rows: others, ours }) => cellsOf(others.find(same(row)), ours));
    const size = `(${row.inputs}, ${row.hidden})`;
    return [ops.length > 1 ? `${row.op} ${size}` : size, ...cells, ...floorOf(all, same(row))];
  });
  const head = ['(inputs, hidden)', ...all.flatMap(headOf), 'floor', '% of the floor'];
  return [head, head.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}

function headOf({ engine, rows, ours }) {
  const names = Object.keys(rows[0].times).flatMap((name) => {
    const label = ours.includes(name) ? `\`${name}\`` : labelOf(name);
    return ours.includes(name) && BASE in rows[0].times ? [label, 'times'] : [label];
  });
  return [`${engine}: ${names[0]}`, ...names.slice(1)];
}

function cellsOf({ times }, ours) {
  return Object.entries(times).flatMap(([name, time]) => {
    if (!ours.includes(name) || !times[BASE]) return [show(time)];
    const ratio = times[BASE].median / time.median;
    return [show(time), `**${ratio.toFixed(ratio < 20 ? 1 : 0)}**`];
  });
}

function show({ median, low, high }) {
  return (high - low) / median > WIDE ? `${digits(median)} [${digits(low)}, ${digits(high)}]` : digits(median);
}

function floorOf(all, isSame) {
  const times = all.flatMap(({ rows }) => Object.entries(rows.find(isSame).times).filter(([name]) => isOurs(name)));
  const bounded = times.map(([, time]) => time).filter(({ floor }) => floor);
  return [digits(bounded[0].floor), bounded.map(({ floor, median }) => Math.round((100 * floor) / median)).join(', ')];
}
