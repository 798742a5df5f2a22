import { sparse, tickLabels, ticks, trimmed } from './axis.js';
import { picture, short, tag, text } from './svg.js';

export interface Line {
  name: string;
  colour: string;
  isDashed?: boolean;
  /** Its numbers are points, not joined. */
  isDots?: boolean;
  /** Position along the axis of its first number. */
  start: number;
  values: ArrayLike<number>;
}

/** Lines over a common axis, one panel above the other. */
export interface LineChart {
  title: string;
  subtitle: string;
  xTitle: string;
  /** What stands at each position along the axis. */
  xLabels: readonly string[];
  panels: readonly { yTitle: string; lines: readonly Line[] }[];
  /** A position that divides the chart, and what for. */
  divider?: { at: number; label: string };
}

const WIDTH = 860;
const LEFT = 78;
const RIGHT = 24;
const TOP = 94;
const GAP = 26;
const BOTTOM = 54;
const INNER = WIDTH - LEFT - RIGHT;

export function drawLines({ title, subtitle, xTitle, panels, divider, ...chart }: LineChart): string {
  const xLabels = trimmed(chart.xLabels);
  const panelHeight = panels.length > 3 ? 130 : panels.length > 1 ? 190 : 340;
  const topOf = (panel: number) => TOP + panel * (panelHeight + GAP);
  const height = topOf(panels.length) - GAP + BOTTOM;
  const last = Math.max(1, xLabels.length - 1);
  const xOf = (position: number) => LEFT + (INNER * position) / last;

  const longest = Math.max(...xLabels.map((label) => label.length));
  const bottom = height - BOTTOM;
  const axis = sparse(xLabels.length, longest, INNER).flatMap((position) => [
    tag('path', { d: `M${short(xOf(position))} ${short(bottom)}v5`, stroke: '#888' }),
    text(xLabels[position], xOf(position), bottom + 19, { 'text-anchor': 'middle' }),
  ]);

  const drawn = panels.map(({ yTitle, lines }, i) => {
    const top = topOf(i);
    const values = lines.flatMap((line) => Array.from(line.values).filter(Number.isFinite));
    const [low, high] = padded(Math.min(...values), Math.max(...values));
    const yOf = (value: number) => top + panelHeight * (1 - (value - low) / (high - low));
    const marks = ticks(low, high, panelHeight / 30);
    const labels = tickLabels(marks);
    return [
      ...marks.flatMap((value, k) => [
        tag('path', { d: `M${LEFT} ${short(yOf(value))}h${INNER}`, stroke: '#e4e4e4' }),
        text(labels[k], LEFT - 8, yOf(value) + 4, { 'text-anchor': 'end' }),
      ]),
      tag('rect', { x: LEFT, y: top, width: INNER, height: panelHeight, fill: 'none', stroke: '#bbb' }),
      text(yTitle, 16, top + panelHeight / 2, {
        transform: `rotate(-90 16 ${short(top + panelHeight / 2)})`,
        'text-anchor': 'middle',
      }),
      ...(divider
        ? [
            tag('path', {
              d: `M${short(xOf(divider.at))} ${short(top)}v${panelHeight}`,
              stroke: '#888',
              'stroke-dasharray': '2 3',
            }),
          ]
        : []),
      ...lines.flatMap((line) => draw(line, (i) => xOf(line.start + i), yOf)),
    ];
  });

  return picture(
    WIDTH,
    height,
    title,
    text(title, LEFT, 28, { 'font-size': 17, 'font-weight': 600 }),
    text(subtitle, LEFT, 48, { fill: '#555' }),
    ...legend(panels.flatMap(({ lines }) => lines)),
    ...drawn.flat(),
    ...(divider ? [beside(divider.label, xOf(divider.at))] : []),
    ...axis,
    text(xTitle, LEFT + INNER / 2, height - 14, { 'text-anchor': 'middle' }),
  );
}

/** A divider's label, to the left of it where there is room. */
function beside(label: string, x: number): string {
  const isLeft = x - LEFT > 7 * label.length;
  return text(label, x + (isLeft ? -6 : 6), TOP - 6, { 'text-anchor': isLeft ? 'end' : undefined, fill: '#555' });
}

function draw(
  { colour, isDashed, isDots, values }: Line,
  xOf: (i: number) => number,
  yOf: (value: number) => number,
): string[] {
  if (isDots) {
    return Array.from(values, (value, i) =>
      Number.isFinite(value) ? tag('circle', { cx: xOf(i), cy: yOf(value), r: 3, fill: colour }) : '',
    );
  }
  const stroke = { stroke: colour, 'stroke-width': 1.6, 'stroke-linejoin': 'round' };
  const dashes = { 'stroke-dasharray': isDashed ? '5 3' : undefined };
  return [tag('path', { d: path(values, xOf, yOf), fill: 'none', ...stroke, ...dashes })];
}

/** A sample of each line that has another name than those before. */
function legend(lines: readonly Line[]): string[] {
  const names = lines.map(({ name }) => name);
  let x = LEFT;
  return lines.flatMap((line, i) => {
    if (names.indexOf(line.name) < i) return [];
    const at = x;
    x += 44 + 7 * line.name.length;
    const sample = { ...line, values: line.isDots ? [Number.NaN, 0] : [0, 0] };
    return [
      ...draw(
        sample,
        (i) => at + 22 * (line.isDots ? i / 2 : i),
        () => 66,
      ),
      text(line.name, at + 28, 70),
    ];
  });
}

/** A line through the finite numbers, broken where there is none. */
function path(values: ArrayLike<number>, xOf: (i: number) => number, yOf: (value: number) => number): string {
  let isDrawing = false;
  return Array.from(values, (value, i) => {
    const command = isDrawing ? 'L' : 'M';
    isDrawing = Number.isFinite(value);
    return isDrawing ? `${command}${short(xOf(i))} ${short(yOf(value))}` : '';
  }).join('');
}

/** A range with some air around it, not empty. */
function padded(low: number, high: number): [number, number] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const air = (high - low) * 0.06 || Math.abs(low) * 0.06 || 1;
  return [low - air, high + air];
}
