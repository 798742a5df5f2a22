import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvSplitter, formatCsvLine, parseCsvLine, readCsv, writeCsv } from '../../src/io/csv.js';

describe('readCsv', () => {
  it('finds out whether there is a header', () => {
    expect(readCsv('1,2\n3,4\n')).toEqual({ columns: undefined, rows: 2, width: 2, data: Float64Array.of(1, 2, 3, 4) });
    expect(readCsv('a,b\n3,4')).toEqual({ columns: ['a', 'b'], rows: 1, width: 2, data: Float64Array.of(3, 4) });
    expect(readCsv('1,2\n3,4', { header: true })).toMatchObject({ columns: ['1', '2'], rows: 1 });
    expect(() => readCsv('a,2\n3,4', { header: false })).toThrow(/line 1, column 1.*"a"/);
  });

  it.each(['', ' ', 'N/A', 'na', 'NULL', 'none', 'nil', 'Missing', '-', '?', 'x'])(
    'takes 1,2,"%s",4 for no header',
    (bad) => {
      expect(() => readCsv(`1,2,${bad},4\n5,6,7,8\n`)).toThrow(/Not a number at line 1, column 3.*A first line names/);
      if (bad !== 'x') expect(() => readCsv(`${bad}\n1\n`)).toThrow(/Not a number at line 1, column 1/);
      if (/^\W*$|\//.test(bad)) expect(() => readCsv(`${bad},a\n1,2\n`)).toThrow(/Not a number at line 1, column 1/);
    },
  );

  it('takes a word for a gap as a name among names: Na is sodium', () => {
    expect(readCsv('Na,K,Cl\n1,2,3\n')).toMatchObject({ columns: ['Na', 'K', 'Cl'], rows: 1 });
    expect(readCsv('"id", None \n1,2\n')).toMatchObject({ rows: 1 });
    for (const first of ['NA,NA', 'na,null', 'Na,K,1', 'Na,K,', 'NaN,K'])
      expect(() => readCsv(first)).toThrow(/line 1/);
  });

  it('takes CRLF, a byte order mark, spaces, quotes, and blank lines at the end', () => {
    expect(readCsv('\uFEFF"a ""b""\r\n,c",d\r\n "1" , 2\r\n\r\n\n'.replace(' "1" ', '"1"')).columns).toEqual([
      'a "b"\r\n,c',
      'd',
    ]);
    expect([...readCsv('"1", 2 \r\n3,4\r\n\r\n').data]).toEqual([1, 2, 3, 4]);
  });

  it('takes other delimiters', () => {
    expect([...readCsv('1;2\n', { delimiter: ';' }).data]).toEqual([1, 2]);
    expect([...readCsv('1\t2\n', { delimiter: '\t' }).data]).toEqual([1, 2]);
  });

  it('knows numbers, and nothing else', () => {
    expect([...readCsv('+1,-.5,2.,1e3,1E-2,nan,NaN,inf,-Infinity,-0').data]).toEqual([
      1,
      -0.5,
      2,
      1000,
      0.01,
      Number.NaN,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      -0,
    ]);
    for (const field of ['', ' ', '0x10', '1_000', '1e', '.', '1 2', 'true', '--1', '1n', 'infinite']) {
      expect(() => readCsv(`1\n${field}\n2`)).toThrow(/line 2, column 1/);
    }
  });

  it('says where it stumbled', () => {
    expect(() => readCsv('1,2\n3\n', { file: 'some.csv' })).toThrow(/some.csv: Line 2 .*expected 2, found 1/);
    expect(() => readCsv('"a\nb",c\n1,2\n1,x')).toThrow(/line 4, column 2/);
    expect(() => readCsv('1,"2')).toThrow(/not closed at line 1, column 2/);
    expect(() => readCsv('1,"2"3')).toThrow(/after a closing quote at line 1, column 2/);
    expect(() => readCsv('1,2"3"')).toThrow(/inside an unquoted field at line 1, column 2/);
    expect(() => readCsv('1\n\n2')).toThrow(/line 2, column 1: found nothing/);
    expect(() => readCsv('')).toThrow(/No data/);
    expect(() => readCsv('\n\n')).toThrow(/only blank lines/);
  });
});

describe('parseCsvLine and formatCsvLine', () => {
  it('undo each other', () => {
    const field = fc.string({ unit: fc.constantFrom('a', '"', ',', ';', '\n', '\r', ' ', '1') });
    fc.assert(
      fc.property(fc.array(field, { minLength: 1 }), fc.constantFrom(',', ';', '\t'), (fields, delimiter) => {
        expect(parseCsvLine(formatCsvLine(fields, { delimiter }), { delimiter })).toEqual(fields);
      }),
    );
  });
});

describe('CsvSplitter', () => {
  it('finds the same records however the text is cut', () => {
    const text = 'a,"b\r\n""c"\r\n1,2\n\n"3",4';
    const expected = [
      { text: 'a,"b\r\n""c"', line: 1 },
      { text: '1,2', line: 3 },
      { text: '', line: 4 },
      { text: '"3",4', line: 5 },
    ];
    for (let size = 1; size <= text.length; size++) {
      const splitter = new CsvSplitter();
      const records = [];
      for (let at = 0; at < text.length; at += size) records.push(...splitter.push(text.slice(at, at + size)));
      expect([...records, ...splitter.end()]).toEqual(expected);
    }
  });
});

describe('writeCsv', () => {
  it('writes what reads back to the bit', () => {
    fc.assert(
      fc.property(fc.float32Array({ minLength: 1 }), (data) => {
        expect(Float32Array.from(readCsv(writeCsv(data, [data.length])).data)).toEqual(data);
      }),
    );
    fc.assert(
      fc.property(fc.float64Array({ minLength: 1 }), (data) => {
        expect(readCsv(writeCsv(data, [data.length])).data).toEqual(data);
      }),
    );
  });

  it('is short', () => {
    expect(writeCsv(Float32Array.of(0.1, 1e-7, 16_777_216, 1 / 3), [2, 2])).toBe('0.1,1e-7\n16777216,0.33333334\n');
    expect(writeCsv(Float64Array.of(0.1, 1 / 3), [1, 2], ['a', 'b,c'])).toBe('a,"b,c"\n0.1,0.3333333333333333\n');
  });

  it('puts all but the first axis in a row', () => {
    expect(writeCsv(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [2, 2, 2])).toBe('1,2,3,4\n5,6,7,8\n');
    expect(writeCsv(Float32Array.of(1), [])).toBe('1\n');
  });

  it('refuses what does not fit', () => {
    expect(() => writeCsv(Float32Array.of(1, 2), [3])).toThrow(/disagree/);
    expect(() => writeCsv(Float32Array.of(1, 2), [1, 2], ['a'])).toThrow(/column names/);
  });
});
