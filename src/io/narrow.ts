/** float32 to the sixteen-bit types, rounded to nearest, ties to even. What is out of their range becomes an infinity. */

/** IEEE binary16 bit patterns: 11 significant bits up to 65504. */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word, i) => {
    const sign = (word >>> 16) & 0x8000;
    const size = word & 0x7fffffff;
    if (size > 0x7f800000) return sign | 0x7e00;
    if (size >= 0x47fff000) return sign | 0x7c00;
    // Normal numbers: 13 bits fewer, and the exponent's bias 112 smaller; a carry out of the fraction raises the exponent.
    if (size >= 0x38800000) return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
    // Below 2^-14 the spacing is 2^-24; adding 2^52 rounds to an integer.
    return sign | (Math.abs(values[i]) * 2 ** 24 + 2 ** 52 - 2 ** 52);
  });
}

/** bfloat16 bit patterns: float32's upper halves, 8 significant bits. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word) =>
    (word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16,
  );
}
