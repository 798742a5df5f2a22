// The chart of one step of one stream, by size, in each engine: both axes in powers.
import { picture, short, tag, text } from '../../build/ts/cli/chart/svg.js';
import { labelOf, readResults } from './results.mjs';

/** What is drawn, and how; a contender of another name is left to the tables. */
const COLOURS = {
  simd: '#b91c1c',
  relaxed: '#f97316',
  'onnxruntime-web': '#1d4ed8',
  'onnxruntime-node': '#0e7490',
  'LiteRT.js': '#15803d',
  'tfjs-wasm': '#7e22ce',
  floor: '#777',
};
const TITLES = {
  simd: 'Rivulet',
  relaxed: 'Rivulet, relaxed',
  floor: 'floor: reading the weights',
  'onnxruntime-node': 'onnxruntime-node (native)',
};
const [LEFT, TOP, WIDTH, HEIGHT, GAP, BOTTOM] = [70, 118, 320, 380, 26, 62];
/** Microseconds at the bottom and at the top. */
const [LEAST, MOST] = [0.01, 10_000];

/** An SVG with a panel for each list of files, whose contenders it shows together. */
export function drawChart(panels) {
  const read = panels.map((files) => files.map((file) => readResults(file)));
  const sizes = read[0][0].rows.map(({ inputs, hidden }) => ({ inputs, hidden }));
  const drawn = read.map((files, i) => drawPanel(LEFT + i * (WIDTH + GAP), files, sizes, i === 0));
  const width = LEFT + panels.length * (WIDTH + GAP) + 6;
  const height = TOP + HEIGHT + BOTTOM;
  const title = 'One step of one LSTM stream';
  return picture(
    width,
    height,
    title,
    text(title, LEFT, 28, { 'font-size': 18, 'font-weight': 600 }),
    text(
      'Microseconds, float32, one thread; medians, quartiles as bars. Both axes are logarithmic: a line of the grid is ten times.',
      LEFT,
      48,
      { fill: '#555' },
    ),
    ...legend(read.flat()),
    ...drawn.flat(),
    text('microseconds', 18, TOP + HEIGHT / 2, {
      transform: `rotate(-90 18 ${TOP + HEIGHT / 2})`,
      'text-anchor': 'middle',
    }),
    text('hidden units (and inputs)', (LEFT + width) / 2, height - 12, { 'text-anchor': 'middle' }),
  );
}

function drawPanel(left, files, sizes, isFirst) {
  const first = Math.log2(sizes[0].hidden);
  const last = Math.log2(sizes.at(-1).hidden);
  const air = 18;
  const xOf = (hidden) => left + air + ((WIDTH - 2 * air) * (Math.log2(hidden) - first)) / (last - first);
  const yOf = (value) => TOP + HEIGHT * (1 - Math.log10(value / LEAST) / Math.log10(MOST / LEAST));
  const grid = Array.from({ length: Math.round(Math.log10(MOST / LEAST)) + 1 }, (_, i) => LEAST * 10 ** i).flatMap(
    (value) => [
      tag('path', { d: `M${left} ${short(yOf(value))}h${WIDTH}`, stroke: '#e4e4e4' }),
      ...(isFirst
        ? [text(Number(value.toPrecision(1)).toLocaleString('en'), left - 8, yOf(value) + 4, { 'text-anchor': 'end' })]
        : []),
    ],
  );
  const axis = sizes.flatMap(({ inputs, hidden }) => [
    text(String(hidden), xOf(hidden), TOP + HEIGHT + 17, { 'text-anchor': 'middle' }),
    text(`(${inputs})`, xOf(hidden), TOP + HEIGHT + 31, { 'text-anchor': 'middle', fill: '#777', 'font-size': 10 }),
  ]);
  return [
    ...grid,
    ...axis,
    tag('rect', { x: left, y: TOP, width: WIDTH, height: HEIGHT, fill: 'none', stroke: '#bbb' }),
    text(files[0].engine, left + WIDTH / 2, TOP - 8, { 'text-anchor': 'middle', 'font-weight': 600 }),
    ...linesOf(files).flatMap(({ name, points }) => drawLine(name, points, xOf, yOf)),
  ];
}

/** Each contender of the files once, and the floor. */
function linesOf(files) {
  const lines = new Map();
  for (const { rows } of files) {
    for (const name of Object.keys(rows[0].times)) {
      if (lines.has(name) || !(name in COLOURS)) continue;
      lines.set(
        name,
        rows.map(({ hidden, times }) => ({ hidden, ...times[name] })),
      );
    }
  }
  const [{ rows, ours }] = files;
  lines.set(
    'floor',
    rows.map(({ hidden, times }) => ({ hidden, median: times[ours[0]].floor })),
  );
  return [...lines].map(([name, points]) => ({ name, points }));
}

function drawLine(name, points, xOf, yOf) {
  const stroke = COLOURS[name];
  const d = points
    .map(({ hidden, median }, i) => `${i === 0 ? 'M' : 'L'}${short(xOf(hidden))} ${short(yOf(median))}`)
    .join('');
  const isFloor = name === 'floor';
  const bars = points
    .filter(({ low }) => low !== undefined)
    .map(({ hidden, low, high }) => `M${short(xOf(hidden))} ${short(yOf(low))}V${short(yOf(high))}`);
  const marks = points.map(({ hidden, median }) =>
    tag('circle', { cx: xOf(hidden), cy: yOf(median), r: 2.4, fill: stroke }),
  );
  return [
    tag('path', { d, fill: 'none', stroke, 'stroke-width': 1.8, 'stroke-dasharray': isFloor ? '4 3' : undefined }),
    ...(isFloor ? [] : [tag('path', { d: bars.join(''), stroke, 'stroke-width': 1.2 }), ...marks]),
  ];
}

/** A sample of each colour that occurs, in two rows. */
function legend(files) {
  const names = new Set(linesOf(files).map(({ name }) => name));
  return Object.keys(COLOURS)
    .filter((name) => names.has(name))
    .flatMap((name, i) => {
      const [x, y] = [LEFT + 210 * Math.floor(i / 2), 70 + 18 * (i % 2)];
      return [
        tag('path', {
          d: `M${x} ${y - 4}h22`,
          stroke: COLOURS[name],
          'stroke-width': 2.5,
          'stroke-dasharray': name === 'floor' ? '4 3' : undefined,
        }),
        text(TITLES[name] ?? labelOf(name), x + 28, y),
      ];
    });
}
