/**
 * Lengths of axes while a file is read. An axis of a graph input is an unknown, even where the file gives its number:
 * an exporter writes down the lengths of the example it was shown, and which of them are time and batch only the
 * recurrent nodes say. An unknown whose number some operator needs is pinned to it; what is left becomes T or N.
 */

export type Role = 'T' | 'N';

export class Axis {
  /** The axis that this one was found to be the same as. */
  same?: Axis;
  role?: Role;
  /** The number is needed somewhere: it can be no symbol. */
  pinned = false;

  constructor(
    /** The file's name for it; '' where it has none. */
    public label: string,
    /** The file's number. */
    public fixed?: number,
  ) {}
}

export type Length = number | Axis;

/** A length as far as it is known: a number where an axis was pinned, and one axis for all that are the same. */
export function resolve(length: Length): Length {
  if (typeof length === 'number') return length;
  let axis = length;
  while (axis.same) axis = axis.same;
  // Later searches go straight there.
  for (let at = length; at.same; ) {
    const next: Axis = at.same;
    at.same = axis;
    at = next;
  }
  return axis.pinned && axis.fixed !== undefined ? axis.fixed : axis;
}

/** The number of a length, which thereby can be no symbol any more; undefined where the file gives none. */
export function pin(length: Length): number | undefined {
  const known = resolve(length);
  if (typeof known === 'number') return known;
  if (known.fixed !== undefined) known.pinned = true;
  return known.fixed;
}

/** The number that the file gives a length, which stays as free as it was. */
export function numberOf(length: Length): number | undefined {
  const known = resolve(length);
  return typeof known === 'number' ? known : known.fixed;
}

/** Two lengths that must be one. Undefined where they differ. */
export function unify(a: Length, b: Length): Length | undefined {
  const p = resolve(a);
  const q = resolve(b);
  if (p === q) return p;
  if (typeof p === 'number' || typeof q === 'number') return pin(p) === pin(q) ? pin(p) : undefined;
  if (p.fixed !== undefined && q.fixed !== undefined && p.fixed !== q.fixed) return undefined;
  if (p.role && q.role && p.role !== q.role) return undefined;
  q.same = p;
  p.fixed ??= q.fixed as number;
  if (p.fixed === undefined) delete p.fixed;
  const role = p.role ?? q.role;
  if (role) p.role = role;
  if (p.label === '') p.label = q.label;
  return p;
}

/** The length that ONNX's broadcasting makes of two. An axis that the file calls 1 beside a longer one is 1. */
function broadcast(a: Length, b: Length): Length | undefined {
  const p = resolve(a);
  const q = resolve(b);
  if (p === q || q === 1) return p;
  if (p === 1) return q;
  const [m, n] = [numberOf(p), numberOf(q)];
  if (m === 1 && n !== 1) pin(p);
  else if (n === 1 && m !== 1) pin(q);
  else return unify(p, q);
  return m === 1 ? q : p;
}

export function broadcastLengths(a: readonly Length[], b: readonly Length[]): Length[] | undefined {
  const rank = Math.max(a.length, b.length);
  const result: Length[] = [];
  for (let i = 0; i < rank; i++) {
    const length = broadcast(a[i - (rank - a.length)] ?? 1, b[i - (rank - b.length)] ?? 1);
    if (length === undefined) return undefined;
    result.push(length);
  }
  return result;
}

/** Says what an axis means. The first word counts; a node that says otherwise is refused when the graph is planned. */
export function mark(length: Length, role: Role): void {
  const known = resolve(length);
  if (typeof known !== 'number') known.role ??= role;
}

/** All lengths as numbers, pinning them; undefined where one has none. */
export function pinAll(lengths: readonly Length[]): number[] | undefined {
  const numbers = lengths.map(pin);
  return numbers.every((number) => number !== undefined) ? numbers : undefined;
}

export function showLengths(lengths: readonly Length[]): string {
  const show = (length: Length) => {
    const known = resolve(length);
    return typeof known === 'number' ? known : (known.fixed ?? (known.label || '?'));
  };
  return `[${lengths.map(show).join(', ')}]`;
}

// ---- Reshape ------------------------------------------------------------------------------------------------------

/**
 * The shape that Reshape makes: `wanted` holds lengths and at most one -1. Axes are followed from both ends: an unknown
 * that meets its own number stays itself, one that is merged or split is pinned. Undefined where an axis without a
 * number would be merged.
 */
export function reshapeLengths(from: readonly Length[], wanted: readonly Length[]): Length[] | undefined {
  return followAxes(from, wanted) ?? countElements(from, wanted);
}

function followAxes(from: readonly Length[], wanted: readonly Length[]): Length[] | undefined {
  const rest: Length[] = [...from];
  const gap = wanted.indexOf(-1);
  if (gap < 0) {
    const result = matchFront(rest, wanted);
    return result && pinAll(rest)?.every((length) => length === 1) ? result : undefined;
  }
  const front = matchFront(rest, wanted.slice(0, gap));
  if (!front) return undefined;
  rest.reverse();
  const back = matchFront(rest, wanted.slice(gap + 1).reverse());
  if (!back) return undefined;
  const middle = closeRest(rest);
  return middle === undefined ? undefined : [...front, middle, ...back.reverse()];
}

/** Where axes are cut across each other only numbers are left, and their product must stay. */
function countElements(from: readonly Length[], wanted: readonly Length[]): Length[] | undefined {
  const count = pinAll(from)?.reduce((product, length) => product * length, 1);
  const lengths = pinAll(wanted);
  if (count === undefined || !lengths) return undefined;
  const known = lengths.reduce((product, length) => (length === -1 ? product : product * length), 1);
  const result = lengths.map((length) => (length === -1 ? count / known : length));
  const fits = result.every(Number.isSafeInteger) && result.reduce((product, length) => product * length, 1) === count;
  return fits ? result : undefined;
}

/** Takes from the front of `from` what makes each wanted length. */
function matchFront(from: Length[], wanted: readonly Length[]): Length[] | undefined {
  const result: Length[] = [];
  for (let j = 0; j < wanted.length; j++) {
    const want = resolve(wanted[j]);
    if (want === 1) {
      // An axis called 1 that stays where it is, or a new one.
      result.push(from.length > 0 && numberOf(from[0]) === 1 ? resolve(from.shift()!) : 1);
      continue;
    }
    while (from.length > 0 && numberOf(from[0]) === 1 && resolve(from[0]) !== want) pin(from.shift()!);
    if (from.length === 0) return undefined;
    const next = resolve(from[0]);
    if (next === want || (typeof next !== 'number' && typeof want !== 'number' && sameAxis(next, want))) {
      from.shift();
      result.push(next);
      continue;
    }
    if (typeof want === 'number' && typeof next !== 'number' && next.fixed === want) {
      from.shift();
      result.push(next);
      continue;
    }
    // A number made of several, or one taken apart.
    const target = pin(want);
    if (target === undefined || target === 0) return undefined;
    let made = 1;
    while (made < target) {
      const length = from.length > 0 ? pin(from[0]) : undefined;
      if (length === undefined || length === 0) return undefined;
      const needed = target / made;
      if (length > needed) {
        if (!Number.isInteger(needed) || length % needed !== 0) return undefined;
        from[0] = length / needed;
        made = target;
      } else {
        made *= length;
        from.shift();
      }
    }
    if (made !== target) return undefined;
    result.push(target);
  }
  return result;
}

const sameAxis = (a: Axis, b: Axis): boolean => a === b || (a.fixed !== undefined && a.fixed === b.fixed);

/** The one length that all the rest make together: an axis alone beside ones, or a number. */
function closeRest(rest: readonly Length[]): Length | undefined {
  const lengths = rest.map(resolve).filter((length) => length !== 1);
  const axes = lengths.filter((length): length is Axis => typeof length !== 'number');
  const longer = axes.filter(({ fixed }) => fixed !== 1);
  if (lengths.length === axes.length && axes.length > 0 && longer.length <= 1) {
    // Of axes that are all 1 in the file, time is the one that must stay free.
    const kept = longer[0] ?? axes.find(({ role }) => role === 'T') ?? axes[0];
    for (const axis of axes) if (axis !== kept) pin(axis);
    return kept;
  }
  return pinAll(lengths)?.reduce((product, length) => product * length, 1);
}
