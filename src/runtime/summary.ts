import type { Plan } from '../plan/plan.js';
import type { Model } from './model.js';

/** The table of `model.summary()`: a line for each layer, and what they add up to. */
export function summarize(model: Model, plan: Plan): string {
  const rows = plan.layers.map(({ name, op, shape, parameters }) => [
    name,
    op,
    `[${shape.join(', ')}]`,
    count(parameters),
  ]);
  const head = ['Layer', 'Operator', 'Output shape', 'Parameters'];
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 3 ? cell.padStart(widths[3]) : cell.padEnd(widths[column])))
      .join('  ')
      .trimEnd();
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width, 6));
  const ports = (title: string, list: Model['inputs']) =>
    `${title.padEnd(11)}${list.map(({ name, type, shape }) => `${name} ${type} [${shape.join(', ')}]`).join('; ')}`;
  return [
    `Model "${model.name}"`,
    line(head),
    rule,
    ...rows.map(line),
    rule,
    ports('Inputs', model.inputs),
    ports('Outputs', model.outputs),
    `${'Parameters'.padEnd(11)}${count(plan.parameters)}`,
    `${'Weights'.padEnd(11)}${count(plan.weightBytes)} bytes in memory`,
    `${'State'.padEnd(11)}${count(plan.slotBytes)} bytes a stream`,
  ].join('\n');
}

const count = (n: number): string => n.toString().replace(/\B(?=(\d{3})+$)/g, ',');
