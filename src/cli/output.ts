import type { Writable } from 'node:stream';

type Sink = Writable & { isTTY?: boolean };

/** A standard stream to write to: waits while its reader is behind, fails once its reader is gone, knows its colours. */
export class Output {
  readonly isTerminal: boolean;
  readonly #stream: Sink;
  readonly #hasColour: boolean;
  #error: Error | undefined;

  constructor(stream: Sink, env: Readonly<Record<string, string | undefined>>) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
    this.#hasColour = this.isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
    stream.on('error', (error) => {
      this.#error = error;
    });
  }

  /** Resolves at once unless the stream's buffer is full. Rejects with what the stream failed of, e.g. EPIPE. */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.#error) throw this.#error;
    await new Promise<void>((resolve, reject) => {
      const hasRoom = this.#stream.write(data, (error) => (error ? reject(error) : resolve()));
      if (hasRoom) resolve();
    });
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    if (this.#error) throw this.#error;
    await new Promise<void>((resolve, reject) =>
      this.#stream.write('', (error) => (error ? reject(error) : resolve())),
    );
  }

  bold(text: string): string {
    return this.#paint(text, '1', '22');
  }

  dim(text: string): string {
    return this.#paint(text, '2', '22');
  }

  red(text: string): string {
    return this.#paint(text, '31', '39');
  }

  #paint(text: string, on: string, off: string): string {
    return this.#hasColour ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  }
}

/** Text from a file, without what would steer a terminal: control characters other than tab and line end. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '\ufffd');
}

/** A count with separators: `1,234,567`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Bytes in the unit that fits: `3.2 MB` (10^6). */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  return value < 1e6 ? `${(value / 1e3).toFixed(1)} kB` : `${(value / 1e6).toFixed(1)} MB`;
}

/** A number with about `digits` significant digits and no exponent where that is readable. */
export function figure(value: number, digits = 4): string {
  if (!Number.isFinite(value) || value === 0) return String(value);
  const size = Math.floor(Math.log10(Math.abs(value)));
  return size < -6 ? value.toExponential(digits - 1) : value.toFixed(Math.max(0, digits - 1 - size));
}

/** Rows as a table whose columns are aligned: the first to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const isNumeric = widths.map((_, column) => rows.slice(1).every((row) => /^[\d.,-]*$/.test(row[column])));
  const lines = rows.map((row) =>
    row.map((cell, i) => (isNumeric[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  '),
  );
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}
