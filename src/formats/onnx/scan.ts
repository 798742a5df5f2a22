import type { NodeContext } from './builder.js';
import type { Inline } from './control.js';
import { beginState, carry, reshaped, stacked, stepOf } from './step.js';

/**
 * Scan: its body once, for the step at hand. The axis that is scanned is time, the states are the graph's. Before opset 9 a
 * batch stood in front of everything, which must be of one here.
 */
export function scan(node: NodeContext, inline: Inline): void {
  const body = node.graph('body');
  const count = node.integer('num_scan_inputs', 0);
  const before9 = node.opset < 9;
  const first = before9 ? 1 : 0;
  const all = node.node.inputs.length - first;
  const states = all - count;
  const outputs = body.outputs.length - states;
  const given = node.node.outputs.length;
  if (count < 1 || states < 0 || outputs < 0 || body.inputs.length !== all || given > body.outputs.length) {
    throw node.error('INVALID_GRAPH', 'Scan: inputs and outputs are not those of its body', {
      expected: `${body.inputs.length} inputs, ${body.outputs.length} outputs`,
      found: `${all} inputs, ${given} outputs`,
    });
  }
  const list = (name: string, length: number) => node.integers(name) ?? new Array<number>(length).fill(0);
  const [inputAxes, outputAxes] = [list('scan_input_axes', count), list('scan_output_axes', outputs)];
  const directions = [...list('scan_input_directions', count), ...list('scan_output_directions', outputs)];
  node.end();
  if (inputAxes.length !== count || outputAxes.length !== outputs) {
    throw node.error('INVALID_GRAPH', 'Scan: an axis for each input and output that is scanned', {
      expected: `${count} and ${outputs}`,
      found: `${inputAxes.length} and ${outputAxes.length}`,
    });
  }
  if (before9 && node.has(0)) throw node.unsupported('lengths of sequences', 'none', node.input(0).name);
  if (directions.some((direction) => direction !== 0)) {
    throw node.unsupported('it runs backwards', 'forwards', `directions ${directions.join(', ')}`);
  }
  const begun = Array.from({ length: states }, (_, i) => beginState(node, node.input(first + i), before9));
  const steps = inputAxes.map((axis, i) => stepOf(node, node.input(first + states + i), axis, before9));
  const made = inline(body, [...begun.map(({ input }) => input), ...steps]);
  for (const [i, state] of begun.entries()) carry(node, state, made[i], i);
  for (let i = 0; i < outputs; i++) {
    if (!node.wants(states + i)) continue;
    const [name, step] = [node.node.outputs[states + i], made[states + i]];
    if (before9) {
      const steps = stacked(node, step, outputAxes[i], node.builder.fresh(`${step.name}.steps`));
      reshaped(node, steps, [1, ...steps.shape!], name);
    } else node.builder.define(name, stacked(node, step, outputAxes[i], name));
  }
}
