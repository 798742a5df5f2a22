import type { NodeDef, Ref } from '../node-def.js';
import type { NodeWriter } from '../writer.js';
import type { Operator } from './registry.js';

/** Convolutions and pooling. TensorFlow has channels last, ONNX in front of the image. */

/** [N, H, W, C] -> [N, C, H, W], and back. */
const TO_FRONT = [0, 3, 1, 2];
const TO_BACK = [0, 2, 3, 1];

/** The numbers that an attribute gives for the two axes of an image; those of batch and channels are 1. */
function ofImage(node: NodeWriter, name: string): number[] {
  const all = node.attributes.integers(name) ?? [1, 1, 1, 1];
  if (all.length !== 4 || all[0] !== 1 || all[3] !== 1) {
    throw node.unsupported(`attribute "${name}"`, '[1, height, width, 1]', `[${all.join(', ')}]`);
  }
  return all.slice(1, 3);
}

/** How an image is padded, in ONNX's words. */
function padding(node: NodeWriter): Record<string, string | number[]> {
  const kind = node.attributes.text('padding');
  const explicit = node.attributes.integers('explicit_paddings') ?? [];
  if (kind === 'VALID') return {};
  // TensorFlow puts the odd one behind.
  if (kind === 'SAME') return { auto_pad: 'SAME_UPPER' };
  if (kind === 'EXPLICIT' && explicit.length === 8 && [0, 1, 6, 7].every((i) => explicit[i] === 0)) {
    return { pads: [explicit[2], explicit[4], explicit[3], explicit[5]] };
  }
  throw node.unsupported('attribute "padding"', 'VALID, SAME or EXPLICIT', kind ?? 'none');
}

function checkFormat(node: NodeWriter): void {
  const format = node.attributes.text('data_format') ?? 'NHWC';
  const filter = node.attributes.text('filter_format') ?? 'HWIO';
  if (format !== 'NHWC') throw node.unsupported('channels first', 'NHWC', format);
  if (filter !== 'HWIO') throw node.unsupported('attribute "filter_format"', 'HWIO', filter);
}

/** An image without the zeros that a Pad of its own put around it, and how many before and behind each axis. */
function unpadded(node: NodeWriter): { image: string; zeros: number[] | undefined } {
  const { scope, graph } = node;
  const makerOf = (ref: Ref) => {
    const place = scope.settle(ref);
    return place.scope === scope ? scope.find(place.ref) : undefined;
  };
  const as = (op: string, maker: NodeDef | undefined) => (maker?.op === op ? maker : undefined);
  const whole = { image: node.input(0), zeros: undefined };
  // A sequence becomes an image by a new axis.
  const outer = makerOf(node.ref(0));
  const expanded = as('ExpandDims', outer);
  const axis = expanded && scope.integer(expanded.inputs[1]);
  const pad = as('Pad', expanded ? makerOf(expanded.inputs[0]) : outer);
  const amounts = pad && scope.integers(pad.inputs[1]);
  if (!pad || !amounts) return whole;
  if (axis !== undefined) amounts.splice(2 * (axis < 0 ? axis + amounts.length / 2 + 1 : axis), 0, 0, 0);
  if (amounts.length !== 8 || [0, 1, 6, 7].some((i) => amounts[i] !== 0) || amounts.some((one) => one < 0))
    return whole;
  const x = graph.value({ scope, ref: pad.inputs[0] });
  const image = axis === undefined ? x : node.step('Unsqueeze', [x], { axes: [axis] });
  return { image, zeros: [amounts[2], amounts[4], amounts[3], amounts[5]] };
}

/** The padding of a convolution and the zeros that are around the image already. */
function joined(pads: Record<string, string | number[]>, zeros: readonly number[]): Record<string, string | number[]> {
  const own = pads.pads;
  return { pads: zeros.map((zero, i) => zero + (Array.isArray(own) ? own[i] : 0)) };
}

function conv(node: NodeWriter): void {
  checkFormat(node);
  const [strides, dilations, own] = [ofImage(node, 'strides'), ofImage(node, 'dilations'), padding(node)];
  node.attributes.end();
  const filter = node.constant(1);
  if (filter?.shape.length !== 4)
    throw node.unsupported('a filter that is computed', 'a constant [H, W, I, O]', 'a value');
  const depthwise = node.node.op === 'DepthwiseConv2dNative';
  const [height, width, inputs, multiplier] = filter.shape;
  // [H, W, I, O] -> [O, I, H, W]; by channel, [H, W, I, M] -> [I M, 1, H, W].
  const weights = node.step('Transpose', [node.input(1)], { perm: depthwise ? [2, 3, 0, 1] : [3, 2, 0, 1] });
  const shape = node.list([inputs * multiplier, 1, height, width], 'shape');
  const packed = depthwise ? node.step('Reshape', [weights, shape]) : weights;
  const { image: bare, zeros } = 'auto_pad' in own ? { image: node.input(0), zeros: undefined } : unpadded(node);
  const pads = zeros ? joined(own, zeros) : own;
  const image = node.step('Transpose', [bare], { perm: TO_FRONT });
  const made = node.step('Conv', [image, packed], {
    strides,
    dilations,
    ...(depthwise ? { group: inputs } : {}),
    ...pads,
  });
  node.give('Transpose', [made], { perm: TO_BACK });
}

function pool(node: NodeWriter): void {
  checkFormat(node);
  const [kernel, strides, pads] = [ofImage(node, 'ksize'), ofImage(node, 'strides'), padding(node)];
  node.attributes.end();
  const image = node.step('Transpose', [node.input(0)], { perm: TO_FRONT });
  const op = node.node.op === 'MaxPool' ? 'MaxPool' : 'AveragePool';
  const made = node.step(op, [image], { kernel_shape: kernel, strides, ...pads });
  node.give('Transpose', [made], { perm: TO_BACK });
}

export const convolutionOperators: readonly (readonly [string, Operator])[] = [
  ['Conv2D', conv],
  ['DepthwiseConv2dNative', conv],
  ['MaxPool', pool],
  ['AvgPool', pool],
];
