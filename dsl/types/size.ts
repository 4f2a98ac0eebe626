import { addRatio, compareRatio, divRatio, floorRatio, mulRatio, oneRatio, type Ratio, ratio, zeroRatio } from "./ratio.ts";

// Symbolic sizes: how large an axis is, before anything is concrete.
// A size is a quotient of two polynomials over atoms: size variables, `floor(…)` of a size, and tests (1 where a compile-time
// condition holds, else 0). A quotient by a monomial is folded into negative powers, so `heads * (width / heads)` is `width`.
// Invariant: sizes are built only by the functions here, which keep them in normal form; equal sizes of denominator 1 have equal keys.

export interface SizeVar {
  readonly id: string;
  readonly name: string;
  /** rigid: stands for every size (a name in a signature); open: to be found by unification; any: unknown, nothing is claimed about it. */
  readonly kind: "rigid" | "open" | "any";
}
/** A compile-time condition: a named one, or a comparison of a size with 0. */
export type Test =
  | { readonly kind: "flag"; readonly id: string; readonly text: string }
  | { readonly kind: "zero"; readonly of: Size }
  | { readonly kind: "negative"; readonly of: Size };
export type Atom =
  | { readonly kind: "var"; readonly key: string; readonly variable: SizeVar }
  | { readonly kind: "floor"; readonly key: string; readonly of: Size }
  | { readonly kind: "test"; readonly key: string; readonly test: Test };
export interface Power {
  readonly atom: Atom;
  readonly exponent: number; // never 0; always 1 for tests (a test is its own square)
}
export interface Term {
  readonly coefficient: Ratio; // never 0
  readonly powers: readonly Power[]; // sorted by key of the atom
  readonly key: string; // of the powers
}
export type Polynomial = readonly Term[]; // sorted by key, one term per key
export interface Size {
  readonly numerator: Polynomial;
  readonly denominator: Polynomial;
  readonly key: string;
}

// Beyond these a size is given up and becomes «any»: bounded time on any input.
const mostTerms = 48;
const mostPower = 16;
const mostTests = 6;
const mostDigits = 2n ** 256n;

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const one: Polynomial = [{ coefficient: oneRatio, powers: [], key: "" }];

function termOf(coefficient: Ratio, powers: readonly Power[]): Term {
  return { coefficient, powers, key: powers.map((p) => (p.exponent === 1 ? p.atom.key : `${p.atom.key}^${p.exponent}`)).join("*") };
}
function keyOf(polynomial: Polynomial): string {
  return polynomial.map((t) => `${t.coefficient.n}/${t.coefficient.d}${t.key}`).join("+");
}
const isOne = (p: Polynomial) => p.length === 1 && p[0]!.key === "" && p[0]!.coefficient.n === 1n && p[0]!.coefficient.d === 1n;
const isLarge = (p: Polynomial) =>
  p.length > mostTerms || p.some((t) => t.coefficient.n > mostDigits || -t.coefficient.n > mostDigits || t.coefficient.d > mostDigits);

function collect(terms: Iterable<Term>): Polynomial {
  const byKey = new Map<string, Term>();
  for (const term of terms) {
    const before = byKey.get(term.key);
    byKey.set(term.key, before ? { ...before, coefficient: addRatio(before.coefficient, term.coefficient) } : term);
  }
  return [...byKey.values()].filter((t) => t.coefficient.n !== 0n).sort((a, b) => order(a.key, b.key));
}
function timesTerm(a: Term, b: Term): Term {
  const powers = new Map<string, Power>();
  for (const power of [...a.powers, ...b.powers]) {
    const before = powers.get(power.atom.key);
    const exponent = power.atom.kind === "test" ? 1 : power.exponent + (before?.exponent ?? 0);
    powers.set(power.atom.key, { atom: power.atom, exponent });
  }
  const kept = [...powers.values()].filter((p) => p.exponent !== 0).sort((x, y) => order(x.atom.key, y.atom.key));
  return termOf(mulRatio(a.coefficient, b.coefficient), kept);
}
const timesPolynomial = (a: Polynomial, b: Polynomial) => collect(a.flatMap((x) => b.map((y) => timesTerm(x, y))));
const plusPolynomial = (a: Polynomial, b: Polynomial) => collect([...a, ...b]);
const scale = (a: Polynomial, by: Ratio): Polynomial => a.map((t) => ({ ...t, coefficient: mulRatio(t.coefficient, by) }));
const hasTests = (p: Polynomial) => p.some((t) => t.powers.some((x) => x.atom.kind === "test"));

// Order of monomials for division: by the exponent of the first atom in which they differ. It is kept by multiplication, also with
// negative exponents, so the leading term of a product is the product of the leading terms.
function compareMonomials(a: Term, b: Term): number {
  let i = 0;
  let j = 0;
  while (i < a.powers.length || j < b.powers.length) {
    const x = a.powers[i];
    const y = b.powers[j];
    if (x && y && x.atom.key === y.atom.key) {
      if (x.exponent !== y.exponent) return x.exponent - y.exponent;
      i++;
      j++;
    } else if (x && (!y || x.atom.key < y.atom.key)) {
      return x.exponent;
    } else {
      return -y!.exponent;
    }
  }
  return 0;
}
const leading = (p: Polynomial) => p.reduce((best, t) => (compareMonomials(t, best) > 0 ? t : best));
function invert(term: Term): Term {
  return termOf(
    divRatio(oneRatio, term.coefficient),
    term.powers.map((p) => ({ atom: p.atom, exponent: -p.exponent })),
  );
}
/** The polynomial `q` with `q * divisor = dividend`, if there is one. */
function divideExactly(dividend: Polynomial, divisor: Polynomial): Polynomial | undefined {
  const by = invert(leading(divisor));
  const quotient: Term[] = [];
  let rest = dividend;
  for (let i = 0; i < mostTerms && rest.length > 0 && rest.length <= mostTerms; i++) {
    const next = timesTerm(leading(rest), by);
    quotient.push(next);
    rest = plusPolynomial(rest, timesPolynomial([{ ...next, coefficient: mulRatio(next.coefficient, ratio(-1n)) }], divisor));
  }
  return rest.length === 0 ? collect(quotient) : undefined;
}

function make(numerator: Polynomial, denominator: Polynomial): Size {
  if (isLarge(numerator) || isLarge(denominator) || denominator.length === 0) return anySize();
  if (numerator.length === 0 || isOne(denominator)) return { numerator, denominator: one, key: keyOf(numerator) };
  if (!hasTests(denominator)) {
    if (denominator.length === 1) return make(timesPolynomial(numerator, [invert(denominator[0]!)]), one);
    const exact = hasTests(numerator) ? undefined : divideExactly(numerator, denominator);
    if (exact) return make(exact, one);
  }
  const by = divRatio(oneRatio, leading(denominator).coefficient);
  const [n, d] = [scale(numerator, by), scale(denominator, by)];
  return { numerator: n, denominator: d, key: `(${keyOf(n)})/(${keyOf(d)})` };
}
const polynomialOfAtom = (atom: Atom): Polynomial => [termOf(oneRatio, [{ atom, exponent: 1 }])];

// ---- building ------------------------------------------------------------------------------------------------------------------------
/** A whole or fractional number as a size. */
export function constantSize(value: number | bigint | Ratio): Size {
  const r = typeof value === "object" ? value : ratio(BigInt(value));
  const numerator: Polynomial = r.n === 0n ? [] : [{ coefficient: r, powers: [], key: "" }];
  return isLarge(numerator) ? anySize() : { numerator, denominator: one, key: keyOf(numerator) };
}
/** A size variable as a size. */
export function variableSize(variable: SizeVar): Size {
  return make(polynomialOfAtom({ kind: "var", key: variable.id, variable }), one);
}
const unknownVariable: SizeVar = { id: "?", name: "?", kind: "any" };
const unknownSize: Size = (() => {
  const numerator = polynomialOfAtom({ kind: "var", key: "?", variable: unknownVariable });
  return { numerator, denominator: one, key: keyOf(numerator) };
})();
/** The size of which nothing is known. Arithmetic with it gives it again, and comparisons with it are never decided. */
export function anySize(): Size {
  return unknownSize;
}
/** True when nothing is known about the size. */
export function isAny(size: Size): boolean {
  return size.key === unknownSize.key;
}

export function addSizes(a: Size, b: Size): Size {
  if (isAny(a) || isAny(b)) return unknownSize;
  if (a.denominator === b.denominator || (isOne(a.denominator) && isOne(b.denominator)))
    return make(plusPolynomial(a.numerator, b.numerator), a.denominator);
  const numerator = plusPolynomial(timesPolynomial(a.numerator, b.denominator), timesPolynomial(b.numerator, a.denominator));
  return make(numerator, timesPolynomial(a.denominator, b.denominator));
}
export function negateSize(a: Size): Size {
  return isAny(a) ? a : make(scale(a.numerator, ratio(-1n)), a.denominator);
}
export function subtractSizes(a: Size, b: Size): Size {
  return addSizes(a, negateSize(b));
}
export function multiplySizes(a: Size, b: Size): Size {
  if (isAny(a) || isAny(b) || a.numerator.length * b.numerator.length > mostTerms * mostTerms) return unknownSize;
  return make(timesPolynomial(a.numerator, b.numerator), timesPolynomial(a.denominator, b.denominator));
}
/** Exact division: that it is whole is an obligation of whoever wrote it. */
export function divideSizes(a: Size, b: Size): Size {
  if (isAny(a) || isAny(b) || b.numerator.length === 0) return unknownSize;
  return make(timesPolynomial(a.numerator, b.denominator), timesPolynomial(a.denominator, b.numerator));
}
/** `a ** exponent` for a small whole exponent. */
export function powerSize(a: Size, exponent: number): Size {
  if (!Number.isInteger(exponent) || Math.abs(exponent) > mostPower) return unknownSize;
  let result = constantSize(1);
  for (let i = 0; i < Math.abs(exponent); i++) result = multiplySizes(result, a);
  return exponent < 0 ? divideSizes(constantSize(1), result) : result;
}

const isWhole = (term: Term) => term.powers.every((p) => p.exponent > 0);
/** The largest whole number not above `a`. Whole parts move out, so `floor(h / 2 - 1) + 1` is `floor(h / 2)`. */
export function floorSize(a: Size): Size {
  if (isAny(a)) return a;
  const test = testsOf(a)[0];
  if (test) {
    if (testsOf(a).length > mostTests) return unknownSize;
    return chooseSize(testSize(test.test), floorSize(withTest(a, test, true)), floorSize(withTest(a, test, false)));
  }
  if (!isOne(a.denominator)) return make(polynomialOfAtom({ kind: "floor", key: `floor(${a.key})`, of: a }), one);
  const outside: Term[] = [];
  const inside: Term[] = [];
  for (const term of a.numerator) {
    const whole = isWhole(term) ? floorRatio(term.coefficient) : 0n;
    if (whole !== 0n) outside.push({ ...term, coefficient: ratio(whole) });
    const rest = addRatio(term.coefficient, ratio(-whole));
    if (rest.n !== 0n) inside.push({ ...term, coefficient: rest });
  }
  const moved = make(collect(outside), one);
  if (inside.length === 0 || (inside.length === 1 && inside[0]!.key === "")) return moved;
  const rest = make(collect(inside), one);
  return addSizes(moved, make(polynomialOfAtom({ kind: "floor", key: `floor(${rest.key})`, of: rest }), one));
}
/** The smallest whole number not below `a`. */
export function ceilSize(a: Size): Size {
  return negateSize(floorSize(negateSize(a)));
}

// ---- conditions: a condition is the size 1 where it holds and 0 where not ---------------------------------------------------------------
function testKey(test: Test): string {
  return test.kind === "flag" ? `[${test.id}]` : `[${test.kind} ${test.of.key}]`;
}
/** The condition as a number: 1 or 0. */
export function testSize(test: Test): Size {
  return make(polynomialOfAtom({ kind: "test", key: testKey(test), test }), one);
}
/** 1 where `a == b`. */
export function equalTest(a: Size, b: Size): Size {
  const difference = subtractSizes(a, b);
  if (isAny(difference)) return unknownSize;
  const constant = constantOf(difference);
  if (constant) return constantSize(constant.n === 0n ? 1 : 0);
  // a == b and b == a are one test: the leading coefficient is made positive.
  const of = compareRatio(leading(difference.numerator).coefficient, zeroRatio) < 0 ? negateSize(difference) : difference;
  return testSize({ kind: "zero", of });
}
/** 1 where `a < b`. */
export function lessTest(a: Size, b: Size): Size {
  const difference = subtractSizes(a, b);
  if (isAny(difference)) return unknownSize;
  const constant = constantOf(difference);
  return constant ? constantSize(constant.n < 0n ? 1 : 0) : testSize({ kind: "negative", of: difference });
}
/** A condition that only has a name. */
export function flagTest(id: string, text: string): Size {
  return testSize({ kind: "flag", id, text });
}
export function notTest(truth: Size): Size {
  return subtractSizes(constantSize(1), truth);
}
export function andTests(a: Size, b: Size): Size {
  return multiplySizes(a, b);
}
export function orTests(a: Size, b: Size): Size {
  return subtractSizes(addSizes(a, b), multiplySizes(a, b));
}
/** `if truth { a } else { b }`. */
export function chooseSize(truth: Size, a: Size, b: Size): Size {
  if (sameSize(a, b)) return a;
  return addSizes(b, multiplySizes(truth, subtractSizes(a, b)));
}

// ---- reading -------------------------------------------------------------------------------------------------------------------------------
/** The number it is, if it holds no atoms. */
export function constantOf(size: Size): Ratio | undefined {
  if (!isOne(size.denominator)) return undefined;
  if (size.numerator.length === 0) return zeroRatio;
  return size.numerator.length === 1 && size.numerator[0]!.key === "" ? size.numerator[0]!.coefficient : undefined;
}
/** The whole number it is, if it is one. */
export function wholeOf(size: Size): number | undefined {
  const constant = constantOf(size);
  return constant && constant.d === 1n && constant.n <= BigInt(Number.MAX_SAFE_INTEGER) && -constant.n <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(constant.n)
    : undefined;
}
/** Equal for all values of the variables. False says only that this was not seen. */
export function sameSize(a: Size, b: Size): boolean {
  if (a.key === b.key) return true;
  if (isOne(a.denominator) && isOne(b.denominator)) return false;
  return constantOf(subtractSizes(a, b))?.n === 0n;
}
function eachAtom(size: Size, visit: (atom: Atom) => void): void {
  for (const polynomial of [size.numerator, size.denominator])
    for (const term of polynomial) for (const power of term.powers) visit(power.atom);
}
function eachVariable(size: Size, visit: (variable: SizeVar) => void): void {
  eachAtom(size, (atom) => {
    if (atom.kind === "var") visit(atom.variable);
    else if (atom.kind === "floor") eachVariable(atom.of, visit);
    else if (atom.test.kind !== "flag") eachVariable(atom.test.of, visit);
  });
}
/** All variables in it, also those inside floors and tests, each once. */
export function variablesOf(size: Size): SizeVar[] {
  const found = new Map<string, SizeVar>();
  eachVariable(size, (v) => found.set(v.id, v));
  return [...found.values()];
}
export type TestAtom = Extract<Atom, { kind: "test" }>;
/** The tests in it (not those inside floors: floors hold none). */
export function testsOf(size: Size): TestAtom[] {
  const found = new Map<string, TestAtom>();
  eachAtom(size, (atom) => {
    if (atom.kind === "test") found.set(atom.key, atom);
  });
  return [...found.values()];
}
/** True when it holds a floor or a test: then a difference that is not 0 may still be 0 for the sizes that occur. */
export function isConditional(size: Size): boolean {
  let found = false;
  eachAtom(size, (atom) => {
    if (atom.kind !== "var") found = true;
  });
  return found;
}

// ---- replacing -----------------------------------------------------------------------------------------------------------------------------
function rebuild(size: Size, atomSize: (atom: Atom) => Size): Size {
  const side = (polynomial: Polynomial) =>
    polynomial.reduce(
      (sum, term) =>
        addSizes(
          sum,
          term.powers.reduce(
            (product, p) => multiplySizes(product, powerSize(atomSize(p.atom), p.exponent)),
            constantSize(term.coefficient),
          ),
        ),
      constantSize(0),
    );
  return isOne(size.denominator) ? side(size.numerator) : divideSizes(side(size.numerator), side(size.denominator));
}
const sizeOfAtom = (atom: Atom) => make(polynomialOfAtom(atom), one);
/** The size with one test decided. */
export function withTest(size: Size, test: TestAtom, holds: boolean): Size {
  return rebuild(size, (atom) => (atom.key === test.key ? constantSize(holds ? 1 : 0) : sizeOfAtom(atom)));
}
export interface Replacement {
  readonly variable: (variable: SizeVar) => Size | undefined;
  readonly flag?: (id: string) => Size | undefined;
}
/** The size with variables and named conditions replaced (undefined: stays). */
export function substituteSize(size: Size, by: Replacement): Size {
  if (isAny(size) || !isTouched(size, by)) return size;
  return rebuild(size, (atom) => {
    switch (atom.kind) {
      case "var":
        return by.variable(atom.variable) ?? sizeOfAtom(atom);
      case "floor":
        return floorSize(substituteSize(atom.of, by));
      case "test": {
        if (atom.test.kind === "flag") return by.flag?.(atom.test.id) ?? sizeOfAtom(atom);
        const of = substituteSize(atom.test.of, by);
        return atom.test.kind === "zero" ? equalTest(of, constantSize(0)) : lessTest(of, constantSize(0));
      }
      default:
        return atom satisfies never;
    }
  });
}
function isTouched(size: Size, by: Replacement): boolean {
  let touched = false;
  eachAtom(size, (atom) => {
    if (touched) return;
    if (atom.kind === "var") touched = by.variable(atom.variable) !== undefined;
    else if (atom.kind === "floor") touched = isTouched(atom.of, by);
    else if (atom.test.kind === "flag") touched = by.flag?.(atom.test.id) !== undefined;
    else touched = isTouched(atom.test.of, by);
  });
  return touched;
}

export interface Assignment {
  value(variable: SizeVar): number | bigint | undefined;
  flag(id: string): boolean | undefined;
}
/** The number it is under an assignment; nothing if something is missing, unknown, or divided by 0. */
export function evaluateSize(size: Size, assignment: Assignment): Ratio | undefined {
  const atomValue = (atom: Atom): Ratio | undefined => {
    if (atom.kind === "var") {
      const value = atom.variable.kind === "any" ? undefined : assignment.value(atom.variable);
      return value === undefined ? undefined : ratio(BigInt(value));
    }
    if (atom.kind === "floor") {
      const of = evaluateSize(atom.of, assignment);
      return of && ratio(floorRatio(of));
    }
    if (atom.test.kind === "flag") {
      const flag = assignment.flag(atom.test.id);
      return flag === undefined ? undefined : flag ? oneRatio : zeroRatio;
    }
    const of = evaluateSize(atom.test.of, assignment);
    return of && ((atom.test.kind === "zero" ? of.n === 0n : of.n < 0n) ? oneRatio : zeroRatio);
  };
  const side = (polynomial: Polynomial): Ratio | undefined => {
    let sum = zeroRatio;
    for (const term of polynomial) {
      let product = term.coefficient;
      for (const { atom, exponent } of term.powers) {
        const value = atomValue(atom);
        if (value === undefined || (exponent < 0 && value.n === 0n)) return undefined;
        for (let i = 0; i < Math.abs(exponent); i++) product = exponent > 0 ? mulRatio(product, value) : divRatio(product, value);
      }
      sum = addRatio(sum, product);
    }
    return sum;
  };
  const [numerator, denominator] = [side(size.numerator), side(size.denominator)];
  return numerator && denominator && denominator.n !== 0n ? divRatio(numerator, denominator) : undefined;
}

/**
 * The value of an open variable that makes the size 0, where one occurs in exactly one term, to the first power, and nowhere else.
 * Terms of fewer factors are preferred, so that `rows * times - 128` is not solved for both.
 */
export function solveForOpen(size: Size): { readonly variable: SizeVar; readonly value: Size } | undefined {
  const candidates = size.numerator.flatMap((term) =>
    term.powers.flatMap((power) =>
      power.atom.kind === "var" &&
      power.atom.variable.kind === "open" &&
      power.exponent === 1 &&
      !term.powers.some((p) => p.atom.kind === "test")
        ? [{ term, power, variable: power.atom.variable }]
        : [],
    ),
  );
  candidates.sort((a, b) => a.term.powers.length - b.term.powers.length);
  for (const { term, power, variable } of candidates) {
    const rest = make(
      size.numerator.filter((t) => t !== term),
      one,
    );
    const factor = make(
      [
        termOf(
          term.coefficient,
          term.powers.filter((p) => p !== power),
        ),
      ],
      one,
    );
    const value = divideSizes(negateSize(rest), factor);
    if (!isAny(value) && !variablesOf(value).some((v) => v.id === variable.id)) return { variable, value };
  }
  return undefined;
}
