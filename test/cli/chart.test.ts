import { describe, expect, it } from 'vitest';
import { sparse, tickLabels, ticks } from '../../src/cli/chart/axis.js';
import { drawHeatMap } from '../../src/cli/chart/heat-map.js';
import { drawLines } from '../../src/cli/chart/line-chart.js';
import { escapeText, short, tag } from '../../src/cli/chart/svg.js';

describe('axis', () => {
  it.each<[number, number, number, string[]]>([
    [0, 10, 5, ['0', '2', '4', '6', '8', '10']],
    [-0.31, 0.42, 4, ['-0.2', '0.0', '0.2', '0.4']],
    [0.001, 0.0052, 4, ['0.002', '0.004']],
    [1e6, 4e6, 3, ['1000000', '2000000', '3000000', '4000000']],
    [3, 3, 4, ['3']],
  ])('marks %d to %d with round numbers', (low, high, count, expected) => {
    expect(tickLabels(ticks(low, high, count))).toEqual(expected);
  });

  it('shows as many labels as fit, evenly', () => {
    expect(sparse(5, 1, 1000)).toEqual([0, 1, 2, 3, 4]);
    const shown = sparse(120, 19, 858);
    expect(shown.length).toBeLessThanOrEqual(6);
    expect(shown.every((at, i) => at === i * shown[1])).toBe(true);
    expect(sparse(1000, 300, 100)).toEqual([0]);
  });
});

describe('svg', () => {
  it('escapes what a file or a user wrote, and what XML has no character for', () => {
    expect(escapeText('<a href="&">\u0001\ud800\t')).toBe('&lt;a href=&quot;&amp;&quot;&gt;\ufffd\ufffd\t');
    expect(tag('g', { id: '"><script>', x: undefined, y: 0.12345 })).toBe(
      '<g id="&quot;&gt;&lt;script&gt;" y="0.12"/>',
    );
    expect([short(-0.001), short(1e3), short(2.345)]).toEqual(['0', '1000', '2.35']);
  });
});

describe('drawLines', () => {
  const chart = (values: number[]) =>
    drawLines({
      title: 'T & U',
      subtitle: 's',
      xTitle: 'x',
      xLabels: ['a', 'b', 'c', 'd'],
      panels: [{ yTitle: 'MW', lines: [{ name: 'n', colour: '#123', start: 0, values }] }],
    });

  it('breaks a line where a number is missing, and draws constants and nothing at all', () => {
    expect(chart([1, Number.NaN, 3, 4])).toMatch(/d="M[\d.]+ [\d.]+M[\d.]+ [\d.]+L[\d.]+ [\d.]+"/);
    for (const values of [[5, 5], [0], [], [Number.NaN]]) expect(chart(values)).not.toMatch(/NaN|Infinity/);
    expect(chart([1])).toContain('<title>T &amp; U</title>');
  });
});

describe('drawHeatMap', () => {
  it('gives the ends of a range the ends of the colours, and no number a colour of its own', () => {
    const draw = (range: [number, number], values: number[]) =>
      drawHeatMap({
        title: 't',
        subtitle: 's',
        xTitle: 'x',
        yTitle: 'unit',
        xLabels: values.map(String),
        panels: [{ title: 'p', rows: 1, values, range }],
      });
    const colours = (svg: string) => [...svg.matchAll(/M\d+ 0h\d+" stroke="(#\w+)"/g)].map(([, colour]) => colour);
    expect(colours(draw([-2, 2], [-2, 0, 2]))).toEqual(['#2166ac', '#f7f7f7', '#b2182b']);
    expect(colours(draw([0, 1], [-1, 1, Number.NaN]))).toEqual(['#f7fbff', '#08306b', '#bbb']);
  });
});
