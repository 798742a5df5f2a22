import { INTEGERS } from './bytes.js';
import type { Random } from './random.js';

type Tree = unknown[] | Record<string, unknown>;

/** Every place in a JSON value: who holds it, and under which key. */
function placesOf(value: unknown, found: [Tree, string][] = []): [Tree, string][] {
  if (typeof value !== 'object' || value === null) return found;
  for (const [key, item] of Object.entries(value)) {
    found.push([value as Tree, key]);
    placesOf(item, found);
  }
  return found;
}

const SCRAP = ['', 'x', 'T', '__proto__', 'constructor', 1.5, -0.5, 1e300, null, true, [], {}, [[1]], [0, 1]];

/** Text that a parser must survive and that no value turns into: too deep, too long, a key twice, a number no float64 holds. */
const UNSOUND = [
  '['.repeat(100_000),
  `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  `[${'0,'.repeat(100_000)}0]`,
  '{"a":1,"a":2}',
  '1e999',
  '-',
  '"\\ud800"',
  '"\u0000"',
];

/**
 * A JSON text with up to three of its values replaced, by other parts of itself or by something that does not belong there;
 * now and then by text that is no sound JSON at all. A text that can't be parsed comes back with a piece left out.
 *
 * @param words values that mean something to the format: names of operators, layers, types.
 */
export function mutateJson(text: string, random: Random, words: readonly unknown[] = []): string {
  let root: { root: unknown };
  try {
    root = { root: JSON.parse(text) };
  } catch {
    const at = random.integer(text.length);
    return text.slice(0, at) + text.slice(at + 1 + random.integer(8));
  }
  const mark = `mark-${random.integer(2 ** 30)}`;
  let unsound = '';
  for (let i = random.pick([0, 0, 0, 1, 2]); i >= 0; i--) {
    const places = placesOf(root);
    if (places.length === 0) break;
    const [holder, key] = random.pick(places);
    const old: unknown = Reflect.get(holder, key);
    const put = (value: unknown) => Reflect.set(holder, key, structuredClone(value));
    const choice = random.integer(20);
    if (choice === 0 && !Array.isArray(holder)) delete holder[key];
    else if (choice === 1) {
      unsound = random.pick(UNSOUND);
      put(mark);
    } else if (choice < 10) {
      // Most often what stands under the same key elsewhere, which its reader takes.
      const alike = random.chance(0.8) ? places.filter(([, other]) => other === key) : places;
      const [from, at] = random.pick(alike);
      put(Reflect.get(from, at));
    } else if (choice < 17 && typeof old === 'number') put(random.pick(INTEGERS));
    else if (choice < 17 && typeof old === 'string' && words.length > 0) put(random.pick(words));
    else put(random.pick(random.chance(0.5) ? SCRAP : [...INTEGERS, ...words]));
  }
  const result = JSON.stringify(root.root) ?? 'null';
  return unsound === '' ? result : result.replace(`"${mark}"`, () => unsound);
}
