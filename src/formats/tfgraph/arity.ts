/** How many inputs the operators have at least of which more is read than their translation says. */
export const LEAST_INPUTS: ReadonlyMap<string, number> = new Map([
  ...of(1, 'Identity', 'StopGradient', 'PreventGradient', 'Snapshot', 'EnsureShape', 'ReadVariableOp', 'CheckNumerics'),
  ...of(1, 'IdentityN', 'Enter', 'Exit', 'NextIteration', 'LoopCond', 'Squeeze', 'Unpack', 'TensorListFromTensor'),
  ...of(1, 'Relu', 'Sigmoid', 'Tanh', 'Softplus', 'Softsign', 'TensorListStack', 'AddN', 'Pack'),
  ...of(2, 'Merge', 'Switch', 'Less', 'LogicalAnd', 'MatMul', 'BiasAdd', 'Mul', 'Sub', 'Add', 'AddV2', 'Split'),
  ...of(2, 'TensorListGetItem', 'Reshape', 'Transpose', 'ReverseV2', 'Pad', 'ExpandDims'),
  ...of(2, '_FusedMatMul', '_FusedConv2D', 'FusedConv2D', 'FusedDepthwiseConv2dNative'),
  ...of(3, 'SplitV', 'Range', 'TensorListSetItem', 'TensorArrayReadV3', 'TensorArrayGatherV3'),
  ...of(4, 'StridedSlice', 'TensorArrayWriteV3', 'TensorArrayScatterV3'),
]);

function of(least: number, ...operators: string[]): [string, number][] {
  return operators.map((op) => [op, least]);
}
