/** Weights [rows][depth] as int8 over a scale for each row, as the peers' tools make them: w is about values * scale. */
export function quantized(weights, rows, depth) {
  const values = new Int8Array(rows * depth);
  const scales = Float32Array.from({ length: rows }, (_, row) => {
    const line = weights.subarray(row * depth, (row + 1) * depth);
    const scale = line.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) / 127;
    for (const [k, weight] of line.entries()) values[row * depth + k] = Math.round(weight / scale);
    return scale;
  });
  return { values, scales };
}
