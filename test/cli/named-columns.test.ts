import { describe, expect, it } from 'vitest';
import { readNamedColumns, type TableOptions } from '../../src/cli/named-columns.js';

const read = (text: string, wanted: string[], options: Partial<TableOptions> = {}) =>
  readNamedColumns(text, wanted, { file: 't.csv', ...options });

describe('readNamedColumns', () => {
  const text = 'date, load ,note,heat\n"1 Jan, 0:00",1.5,a,20\r\n"1 Jan, 1:00",-2,,21\n\n';

  it('reads columns by name, in the order asked for, and the labels of the rows', () => {
    expect(read(text, ['heat', 'load'])).toEqual({
      rows: 2,
      data: Float64Array.of(20, 1.5, 21, -2),
      labels: { name: 'date', values: ['1 Jan, 0:00', '1 Jan, 1:00'] },
      lines: [2, 3],
    });
    expect(read('a,b\n1,2\n', ['b'])).toMatchObject({ data: Float64Array.of(2), labels: undefined });
  });

  it('tells by the names whether commas, semicolons or tabs stand between fields', () => {
    for (const mark of [';', '\t']) {
      const table = `\uFEFFday${mark}"a, b"${mark}c\r\n31.12.2024${mark}1${mark}"2"\r\n`;
      expect(read(table, ['c', 'a, b'])).toMatchObject({
        data: Float64Array.of(2, 1),
        labels: { name: 'day', values: ['31.12.2024'] },
      });
    }
  });

  it('reads decimal commas where it is told of them', () => {
    const table = 'day;a;b\n1,5;-2,25;3\n';
    expect(read(table, ['a', 'b'], { decimalComma: true })).toMatchObject({
      data: Float64Array.of(-2.25, 3),
      labels: undefined,
    });
    expect(read('day,a\n1,"0,5"\n', ['a'], { decimalComma: true }).data).toEqual(Float64Array.of(0.5));
    expect(() => read(table, ['a'])).toThrow(/line 2, column 2: found "-2,25"\. --decimal-comma reads it as -2\.25/);
    expect(() => read('a\n1.000\n', ['a'], { decimalComma: true })).toThrow(/line 2, column 1: found "1.000"/);
  });

  it.each<[string, string, RegExp, Partial<TableOptions>?]>([
    ['a column that is not there', 'a,c\n1,2\n', /t\.csv: No column "b" .*: expected b, found a, c\. .*--columns/],
    ['no names at all', '2024-01-01;1\n', /No column "b" in the first line: expected b, found 2024-01-01, 1/],
    ['a name that stands twice', 'b,b\n1,2\n', /Two columns named "b"/],
    ['what is no number in a column asked for', 'a,b\nx,1\ny,z\n', /Not a number at line 3, column 2: found "z"/],
    ['a missing number', 'a,b\nx,\n', /line 2, column 2: found nothing\. .*fill the gap/],
    ['NaN', 'a,b\nx,1\nx,NaN\n', /line 3, column 2: found "NaN"\. .*fill the gap/],
    ['an infinity', 'a,b\nx,-inf\n', /line 2, column 2: found "-inf"/],
    [
      'what has no logarithm',
      'b\n1\n0\n',
      /line 3, column 1: expected a number above 0.*, found "0"$/,
      { positive: true },
    ],
    ['a shorter line', 'a,b\nx,1\ny\n', /Line 3 has another number of fields/],
    ['a blank line', 'a,b\nx,1\n\ny,1\n', /Line 3 has .*expected 2, found a blank line/],
    ['lines that end in CR', 'a,b\rx,1\r', /No column "b".*end in CR alone/],
    ['nothing', '', /No data/],
    ['names alone', 'a,b\n', /t\.csv: No rows below the first line/],
  ])('refuses %s', (_, text, message, options) => {
    expect(() => read(text, ['b'], options)).toThrow(message);
  });

  it('shows little of what is no table', () => {
    expect(() => read(`PK\0\u0001${'x'.repeat(5000)}`, ['b'])).toThrow(/found PK\ufffd\ufffdx{96}\.\.\.\. The first/);
  });
});
