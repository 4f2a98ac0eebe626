// Index expressions in normal form: a constant plus integer multiples of atoms, atoms being loop variables, floor divisions and remainders
// by constants, and values known only on the device. Every movement op (reshape, permute, slice, pad, …) is arithmetic on these, so a
// chain of them costs nothing when it cancels: that is what the rules below are for. Ranges are exact intervals of each atom.

export interface Ix {
  readonly constant: number;
  readonly terms: readonly Term[]; // by atom key, coefficients never 0
  readonly min: number;
  readonly max: number;
  readonly key: string;
}
export interface Term {
  readonly coeff: number;
  readonly atom: Atom;
}
export type Atom = { readonly key: string; readonly min: number; readonly max: number } & (
  | { readonly kind: "var"; readonly name: string }
  | { readonly kind: "div"; readonly arg: Ix; readonly by: number }
  | { readonly kind: "mod"; readonly arg: Ix; readonly by: number }
  | { readonly kind: "clamp"; readonly arg: Ix } // into min..max
);

function make(constant: number, terms: readonly Term[]): Ix {
  let min = constant;
  let max = constant;
  for (const { coeff, atom } of terms) {
    min += coeff > 0 ? coeff * atom.min : coeff * atom.max;
    max += coeff > 0 ? coeff * atom.max : coeff * atom.min;
  }
  const key = `${terms.map((t) => (t.coeff === 1 ? t.atom.key : `${t.coeff}*${t.atom.key}`)).join("+")}${constant !== 0 || terms.length === 0 ? `+${constant}` : ""}`;
  return { constant, terms, min, max, key };
}

/** The constant `n`. */
export function ixConst(n: number): Ix {
  return make(n, []);
}
/** A variable with `min <= name <= max`. A variable with one value is that value. */
export function ixVar(name: string, min: number, max: number): Ix {
  return min === max ? ixConst(min) : make(0, [{ coeff: 1, atom: { kind: "var", name, min, max, key: name } }]);
}
function ofAtom(atom: Atom): Ix {
  return make(0, [{ coeff: 1, atom }]);
}
export function isConst(a: Ix): boolean {
  return a.terms.length === 0;
}

export function add(a: Ix, b: Ix): Ix {
  if (isConst(a) && a.constant === 0) return b;
  if (isConst(b) && b.constant === 0) return a;
  return collect(a.constant + b.constant, a.terms, b.terms);
}
export function scale(a: Ix, by: number): Ix {
  if (by === 0) return ixConst(0);
  if (by === 1) return a;
  return make(
    a.constant * by,
    a.terms.map((t) => ({ coeff: t.coeff * by, atom: t.atom })),
  );
}
export function addConst(a: Ix, n: number): Ix {
  return n === 0 ? a : make(a.constant + n, a.terms);
}
export function sub(a: Ix, b: Ix): Ix {
  return add(a, scale(b, -1));
}

/** Sums equal atoms of two lists in key order, then recombines quotients with their remainders: s*(x/s) + x%s = x, s*((x/s)%n) + x%s = x % (s*n). */
function collect(constant: number, left: readonly Term[], right: readonly Term[]): Ix {
  const list: Term[] = [];
  for (let i = 0, j = 0; i < left.length || j < right.length; ) {
    const [a, b] = [left[i], right[j]];
    if (!b || (a && a.atom.key < b.atom.key)) {
      list.push(a!);
      i++;
    } else if (!a || b.atom.key < a.atom.key) {
      list.push(b);
      j++;
    } else {
      const coeff = a.coeff + b.coeff;
      if (coeff !== 0) list.push({ coeff, atom: a.atom });
      i++;
      j++;
    }
  }
  for (const low of list) {
    if (low.atom.kind !== "mod") continue;
    const { arg, by } = low.atom;
    for (const high of list) {
      if (high === low || high.coeff !== low.coeff * by) continue;
      const joined = join(high.atom, arg, by);
      if (joined) {
        const rest = list.filter((t) => t !== low && t !== high);
        const whole = scale(joined, low.coeff);
        return collect(constant + whole.constant, rest, whole.terms);
      }
    }
  }
  return make(constant, list);
}
function join(high: Atom, arg: Ix, by: number): Ix | null {
  const quotient = div(arg, by);
  if (high.kind === "mod" && high.arg.key === quotient.key) return mod(arg, by * high.by);
  return quotient.terms.length === 1 &&
    quotient.constant === 0 &&
    quotient.terms[0]!.coeff === 1 &&
    quotient.terms[0]!.atom.key === high.key
    ? arg
    : null;
}

const floorDiv = (a: number, n: number): number => Math.floor(a / n);
const floorMod = (a: number, n: number): number => a - n * Math.floor(a / n);
const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

/** Floor division by a positive constant. */
export function div(a: Ix, n: number): Ix {
  if (n === 1) return a;
  if (floorDiv(a.min, n) === floorDiv(a.max, n)) return ixConst(floorDiv(a.min, n));
  const whole = a.terms.filter((t) => t.coeff % n === 0).map((t) => ({ coeff: t.coeff / n, atom: t.atom }));
  const rest = a.terms.filter((t) => t.coeff % n !== 0);
  const outside = make(floorDiv(a.constant, n), whole);
  const inside = make(floorMod(a.constant, n), rest);
  if (inside.min >= 0 && inside.max < n) return outside;
  return add(outside, divAtom(inside, n));
}
function divAtom(a: Ix, n: number): Ix {
  const g = a.terms.reduce((x, t) => gcd(x, t.coeff), n);
  if (g > 1) {
    // floor((g*x + c) / n) = floor((x + floor(c/g)) / (n/g))
    const smaller = make(
      floorDiv(a.constant, g),
      a.terms.map((t) => ({ coeff: t.coeff / g, atom: t.atom })),
    );
    return div(smaller, n / g);
  }
  const low = residue(a, n);
  if (low) return div(low, n);
  const only = a.terms.length === 1 && a.constant === 0 && a.terms[0]!.coeff === 1 ? a.terms[0]!.atom : null;
  if (only?.kind === "div") return div(only.arg, only.by * n);
  // (x % m) / n = (x / n) % (m / n) when n divides m
  if (only?.kind === "mod" && only.by % n === 0) return mod(div(only.arg, n), only.by / n);
  return ofAtom({ kind: "div", arg: a, by: n, min: floorDiv(a.min, n), max: floorDiv(a.max, n), key: `(${a.key})/${n}` });
}
/** If the terms whose coefficients share a factor g of n leave a remainder below g, that remainder cannot reach the quotient by n. */
function residue(a: Ix, n: number): Ix | null {
  for (const t of a.terms) {
    const g = gcd(t.coeff, n);
    if (g === 1) continue;
    const big = a.terms.filter((x) => x.coeff % g === 0);
    const small = make(
      a.constant,
      a.terms.filter((x) => x.coeff % g !== 0),
    );
    if (big.length === a.terms.length || small.min < 0 || small.max >= g) continue;
    return make(0, big);
  }
  return null;
}

/** Remainder in 0..n of floor division by a positive constant. */
export function mod(a: Ix, n: number): Ix {
  if (n === 1) return ixConst(0);
  if (a.min >= 0 && a.max < n) return a;
  const inside = make(
    floorMod(a.constant, n),
    a.terms.filter((t) => t.coeff % n !== 0),
  );
  if (inside.min >= 0 && inside.max < n) return inside;
  const low = floorDiv(inside.min, n);
  if (low === floorDiv(inside.max, n)) return addConst(inside, -low * n);
  // With a common factor g of n: (g*x + c) % n = g*(x % (n/g)) + c for 0 <= c < g.
  for (const t of inside.terms) {
    const g = gcd(t.coeff, n);
    if (g === 1) continue;
    const big = inside.terms.filter((x) => x.coeff % g === 0);
    const small = make(
      floorMod(inside.constant, g),
      inside.terms.filter((x) => x.coeff % g !== 0),
    );
    if (small.min < 0 || small.max >= g) continue;
    const quotient = make(
      floorDiv(inside.constant, g),
      big.map((x) => ({ coeff: x.coeff / g, atom: x.atom })),
    );
    return add(scale(mod(quotient, n / g), g), small);
  }
  const only = inside.terms.length === 1 && inside.constant === 0 && inside.terms[0]!.coeff === 1 ? inside.terms[0]!.atom : null;
  if (only?.kind === "mod" && only.by % n === 0) return mod(only.arg, n);
  return ofAtom({ kind: "mod", arg: inside, by: n, min: 0, max: n - 1, key: `(${inside.key})%${n}` });
}

/** The index moved into min..max: makes a read whose value a condition discards provably harmless. */
export function clamp(a: Ix, min: number, max: number): Ix {
  if (a.min >= min && a.max <= max) return a;
  if (isConst(a)) return ixConst(Math.min(Math.max(a.constant, min), max));
  return ofAtom({ kind: "clamp", arg: a, min, max, key: `clamp(${a.key},${min},${max})` });
}

/** Replaces a variable. */
export function substitute(a: Ix, name: string, by: Ix): Ix {
  if (!dependsOn(a, name)) return a;
  let result = ixConst(a.constant);
  for (const t of a.terms) result = add(result, scale(substituteAtom(t.atom, name, by), t.coeff));
  return result;
}
function substituteAtom(atom: Atom, name: string, by: Ix): Ix {
  switch (atom.kind) {
    case "var":
      return atom.name === name ? by : ofAtom(atom);
    case "div":
      return div(substitute(atom.arg, name, by), atom.by);
    case "mod":
      return mod(substitute(atom.arg, name, by), atom.by);
    case "clamp":
      return clamp(substitute(atom.arg, name, by), atom.min, atom.max);
    default:
      return atom satisfies never;
  }
}
export function dependsOn(a: Ix, name: string): boolean {
  return a.terms.some(({ atom }) => (atom.kind === "var" ? atom.name === name : dependsOn(atom.arg, name)));
}

/** How an index moves with a variable that takes consecutive values from 0: not at all, by a constant stride, or some other way. */
export function strideOf(a: Ix, name: string): number | null {
  let stride = 0;
  for (const { coeff, atom } of a.terms) {
    if (atom.kind === "var") {
      if (atom.name === name) stride += coeff;
    } else if (dependsOn(atom.arg, name)) return null;
  }
  return stride;
}
/** Whether every value of the index, with variable `name` at 0, is a multiple of `n`. */
export function isMultipleOf(a: Ix, n: number, except: string): boolean {
  return a.constant % n === 0 && a.terms.every((t) => t.coeff % n === 0 || (t.atom.kind === "var" && t.atom.name === except));
}

/** Row-major (or permuted) flat position: sum of index times stride. */
export function flatten(index: readonly Ix[], strides: readonly number[]): Ix {
  let flat = ixConst(0);
  for (const [axis, ix] of index.entries()) flat = add(flat, scale(ix, strides[axis]!));
  return flat;
}
/** Splits a flat row-major position into one index per axis. */
export function unflatten(flat: Ix, shape: readonly number[]): Ix[] {
  const result: Ix[] = [];
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const q = div(flat, stride);
    result[axis] = axis === 0 ? q : mod(q, shape[axis]!);
    stride *= shape[axis]!;
  }
  return result;
}
/** Row-major strides of a shape stored with axis order `order` (outermost first). */
export function stridesOf(shape: readonly number[], order: readonly number[] = shape.map((_, i) => i)): number[] {
  const strides: number[] = new Array(shape.length).fill(0);
  let stride = 1;
  for (let i = order.length - 1; i >= 0; i--) {
    strides[order[i]!] = stride;
    stride *= shape[order[i]!]!;
  }
  return strides;
}

/** Value of an index for given variables; the meaning that the rules above must keep. */
export function evaluate(a: Ix, variables: ReadonlyMap<string, number>): number {
  let sum = a.constant;
  for (const { coeff, atom } of a.terms) sum += coeff * evaluateAtom(atom, variables);
  return sum;
}
function evaluateAtom(atom: Atom, variables: ReadonlyMap<string, number>): number {
  switch (atom.kind) {
    case "var": {
      const value = variables.get(atom.name);
      if (value === undefined) throw new Error(`internal: index variable ${atom.name} has no value`);
      return value;
    }
    case "div":
      return floorDiv(evaluate(atom.arg, variables), atom.by);
    case "mod":
      return floorMod(evaluate(atom.arg, variables), atom.by);
    case "clamp":
      return Math.min(Math.max(evaluate(atom.arg, variables), atom.min), atom.max);
    default:
      return atom satisfies never;
  }
}
