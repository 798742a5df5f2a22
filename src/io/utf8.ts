/**
 * UTF-8 in and out, by the algorithms of the Encoding standard. Written here because an AudioWorklet has neither
 * TextDecoder nor TextEncoder, and a model must load there.
 */

/** What `fromCharCode` is given at once: engines limit the arguments of a call. */
const PIECE = 8192;

/** Text from UTF-8, a byte order mark kept as a character. Undefined where the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  // A loop that runs for the first time is one that V8 13 begins to compile anew: 6 ms of a new process's first load on one core.
  if (typeof TextDecoder !== 'undefined') {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      // Not UTF-8, or memory that is shared, which not every host decodes.
    }
  }
  let text = '';
  let units: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++];
    let code = first;
    if (first >= 0x80) {
      const more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
      // 0x80 to 0xc1 begin nothing (or a form longer than needed), 0xf5 and above lie beyond Unicode.
      if (first < 0xc2 || first > 0xf4 || at + more > bytes.length) return undefined;
      code = first & (0x3f >> more);
      for (let i = 0; i < more; i++) {
        const next = bytes[at++];
        if ((next & 0xc0) !== 0x80) return undefined;
        code = (code << 6) | (next & 0x3f);
      }
      const shortest = more === 1 ? 0x80 : more === 2 ? 0x800 : 0x10000;
      if (code < shortest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
    }
    if (code > 0xffff) units.push(0xd7c0 + (code >> 10), 0xdc00 | (code & 0x3ff));
    else units.push(code);
    if (units.length >= PIECE) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  return text + String.fromCharCode(...units);
}

/** Text as UTF-8; half of a surrogate pair becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length * 3);
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    let code = text.codePointAt(i)!;
    if (code > 0xffff) i++;
    else if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) bytes[at++] = code;
    else {
      const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
      bytes[at++] = ((0xff00 >> (more + 1)) & 0xff) | (code >> (6 * more));
      for (let k = more - 1; k >= 0; k--) bytes[at++] = 0x80 | ((code >> (6 * k)) & 0x3f);
    }
  }
  return bytes.slice(0, at);
}
