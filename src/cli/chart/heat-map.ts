import { sparse, trimmed } from './axis.js';
import { picture, short, tag, text } from './svg.js';

/** Rows of cells over a common axis, one panel above the other. */
export interface HeatMap {
  title: string;
  subtitle: string;
  xTitle: string;
  yTitle: string;
  /** What stands at each column: a character, a time. */
  xLabels: readonly string[];
  panels: readonly HeatPanel[];
}

export interface HeatPanel {
  title: string;
  rows: number;
  /** [rows, columns] */
  values: ArrayLike<number>;
  /** Numbers that are the ends of the colours: from 0, or from -x to x. */
  range: readonly [number, number];
}

const WIDTH = 860;
const LEFT = 64;
const RIGHT = 96;
/** The least width of a map, so that a title stands beside what the colours mean. */
const LEAST = 460;
const TOP = 84;
const GAP = 46;
const BOTTOM = 12;
/** Steps of colour that a range has. */
const LEVELS = 41;

type Colour = readonly [number, number, number];

/** Ends and middles of ColorBrewer's "Blues" and "RdBu" (colorbrewer2.org). */
const FROM_ZERO: readonly Colour[] = [
  [247, 251, 255],
  [107, 174, 214],
  [8, 48, 107],
];
const AROUND_ZERO: readonly Colour[] = [
  [33, 102, 172],
  [247, 247, 247],
  [178, 24, 43],
];
const NO_NUMBER = '#bbb';

export function drawHeatMap({ title, subtitle, xTitle, yTitle, panels, ...map }: HeatMap): string {
  const xLabels = trimmed(map.xLabels);
  const columns = xLabels.length;
  const cell = Math.min(Math.max(22, LEAST / columns), (WIDTH - LEFT - RIGHT) / columns);
  const width = LEFT + columns * cell + RIGHT;
  let top = TOP;
  const drawn = panels.map((panel) => {
    const high = Math.min(14, Math.max(1, 150 / panel.rows));
    const height = panel.rows * high;
    const middle = top + height / 2;
    const parts = [
      text(panel.title, LEFT, top - 8, { 'font-weight': 600 }),
      tag(
        'g',
        {
          transform: `translate(${LEFT} ${short(top)}) scale(${cell} ${high}) translate(0 .5)`,
          'shape-rendering': 'crispEdges',
        },
        ...cells(panel, columns),
      ),
      tag('rect', { x: LEFT, y: top, width: columns * cell, height, fill: 'none', stroke: '#bbb' }),
      text('0', LEFT - 6, top + 10, { 'text-anchor': 'end' }),
      ...(panel.rows > 1 ? [text(String(panel.rows - 1), LEFT - 6, top + height, { 'text-anchor': 'end' })] : []),
      text(yTitle, 18, middle, { 'text-anchor': 'middle', transform: `rotate(-90 18 ${short(middle)})` }),
      ...labels(xLabels, cell, top + height),
      ...legend(panel.range, LEFT + columns * cell + 18, top, Math.max(60, height)),
    ];
    top += Math.max(60, height) + GAP;
    return parts;
  });
  return picture(
    width,
    top + BOTTOM,
    title,
    text(title, LEFT, 26, { 'font-size': 17, 'font-weight': 600 }),
    text(subtitle, LEFT, 44, { fill: '#555' }),
    ...drawn.flat(),
    text(xTitle, LEFT + (columns * cell) / 2, top - 8, { 'text-anchor': 'middle' }),
  );
}

/** Each colour is one path of cells a unit wide, drawn as horizontal strokes: runs of a colour are one stroke. */
function cells({ rows, values, range }: HeatPanel, columns: number): string[] {
  const strokes = new Map<string, string>();
  for (let row = 0; row < rows; row++) {
    for (let start = 0; start < columns; ) {
      const colour = colourOf(values[row * columns + start], range);
      let end = start + 1;
      while (end < columns && colourOf(values[row * columns + end], range) === colour) end++;
      strokes.set(colour, `${strokes.get(colour) ?? ''}M${start} ${row}h${end - start}`);
      start = end;
    }
  }
  return Array.from(strokes, ([stroke, d]) => tag('path', { d, stroke }));
}

/** Every label where they fit, else every n-th. */
function labels(xLabels: readonly string[], cell: number, top: number): string[] {
  const isNarrow = xLabels.every((label) => label.length <= 1) && cell >= 8;
  const longest = Math.max(...xLabels.map((label) => label.length));
  const shown = isNarrow ? [...xLabels.keys()] : sparse(xLabels.length, longest, xLabels.length * cell);
  return shown.map((i) =>
    text(xLabels[i], LEFT + (i + 0.5) * cell, top + 15, { 'text-anchor': 'middle', 'font-family': 'monospace' }),
  );
}

function legend(range: readonly [number, number], x: number, top: number, height: number): string[] {
  const [low, high] = range;
  const band = height / LEVELS;
  const bands = Array.from({ length: LEVELS }, (_, i) => {
    const fill = colourOf(high - ((high - low) * i) / (LEVELS - 1), range);
    return tag('rect', { x, y: top + i * band, width: 14, height: band + 0.3, fill });
  });
  const marks = [high, (low + high) / 2, low].map((value, i) =>
    text(String(Number(value.toPrecision(3))), x + 20, top + 5 + ((height - 1) * i) / 2, {
      'dominant-baseline': 'middle',
    }),
  );
  return [text('activation', x, top - 8, { fill: '#555' }), ...bands, ...marks];
}

function colourOf(value: number, [low, high]: readonly [number, number]): string {
  if (!Number.isFinite(value)) return NO_NUMBER;
  const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
  const level = Math.round(share * (LEVELS - 1)) / (LEVELS - 1);
  const stops = low < 0 ? AROUND_ZERO : FROM_ZERO;
  const at = Math.min(1, Math.floor(level * 2));
  const part = level * 2 - at;
  const mixed = stops[at].map((from, i) => Math.round(from + part * (stops[at + 1][i] - from)));
  return `#${mixed.map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
