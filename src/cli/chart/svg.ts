/** An SVG element as text; attributes that are undefined are left out, numbers rounded to hundredths. */
export function tag(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  ...children: readonly string[]
): string {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? short(value) : escapeText(String(value))}"`);
  const inner = children.join('');
  return inner === '' ? `<${name}${list.join('')}/>` : `<${name}${list.join('')}>${inner}</${name}>`;
}

/** A line of text; `anchor` is start, middle or end. */
export function text(
  content: string,
  x: number,
  y: number,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
): string {
  return tag('text', { x, y, ...attributes }, escapeText(content));
}

/** A whole picture on white, readable by itself. */
export function picture(width: number, height: number, title: string, ...children: readonly string[]): string {
  const root = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${short(width)} ${short(height)}`,
    width,
    height,
    role: 'img',
    'font-family': 'system-ui, sans-serif',
    'font-size': 12,
    fill: '#222',
  };
  const paper = tag('rect', { width: '100%', height: '100%', fill: '#fff' });
  return `${tag('svg', root, tag('title', {}, escapeText(title)), paper, ...children)}\n`;
}

/** At most two decimals, as few characters as that takes. */
export function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Text as XML has it. What XML has no character for becomes U+FFFD. */
export function escapeText(content: string): string {
  const meanings: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return (
    content
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd')
      .replace(/[&<>"]/g, (character) => meanings[character])
  );
}
