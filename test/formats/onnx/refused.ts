import type { ErrorCode } from '../../../src/errors.js';

/**
 * Cases that are refused, by the code they are refused with. Whoever makes one run takes it from here; whoever breaks
 * one that runs would have to put it here.
 */

/** Of onnx_node_other. */
export const REFUSED_OPERATORS: Readonly<Partial<Record<ErrorCode, readonly string[]>>> = {
  INVALID_GRAPH: ['test_shape_start_greater_than_end'],
  UNSUPPORTED_ATTRIBUTE: ['test_cast_FLOAT_to_FLOAT16'],
  UNSUPPORTED_OPERATOR: [
    'test_add_int8',
    'test_add_uint32',
    'test_add_uint64',
    'test_add_uint8',
    'test_clip_default_int8_inbounds',
    'test_clip_default_int8_max',
    'test_clip_default_int8_min',
    'test_constant',
    'test_if',
    'test_loop11',
    'test_mul_int8',
    'test_mul_uint32',
    'test_mul_uint64',
    'test_mul_uint8',
    'test_shape',
    'test_shape_start_1',
    'test_shape_start_1_end_2',
    'test_shape_start_1_end_negative_1',
    'test_shape_start_negative_1',
    'test_slice_start_out_of_bounds',
  ],
};
