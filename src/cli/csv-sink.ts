import { formatCsvLine } from '../io/csv.js';
import { writeFile } from './files.js';
import type { Output } from './output.js';

/** Lines of CSV for standard output, each at once, or for a file, all at the end: a file is written whole or not at all. */
export class CsvSink {
  private readonly lines: string[] = [];

  /** @param path `-` for standard output */
  constructor(
    private readonly path: string,
    private readonly stdout: Output,
  ) {}

  async write(values: readonly (string | number)[]): Promise<void> {
    const line = `${formatCsvLine(values)}\n`;
    if (this.path === '-') await this.stdout.write(line);
    else this.lines.push(line);
  }

  async end(): Promise<void> {
    if (this.path !== '-') await writeFile(this.path, this.lines.join(''));
  }
}
