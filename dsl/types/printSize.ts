import { isAny, type Polynomial, type Power, type Size, type Term, type Test, testsOf, withTest } from "./size.ts";

// Sizes as a user would write them: `floor((h - 1) / stride) + 1`, `if double { 2 * h } else { h }`.

const isWord = (text: string) => /^[\w?]+$/.test(text) || /^\w+\([^()]*\)$/.test(text);
const grouped = (text: string) => (isWord(text) || (text.startsWith("floor(") && matching(text)) ? text : `(${text})`);
function matching(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    if (text[i] === ")" && --depth === 0) return i === text.length - 1;
  }
  return false;
}

function atomText({ atom }: Power): string {
  switch (atom.kind) {
    case "var":
      return atom.variable.name;
    case "floor":
      return `floor(${printSize(atom.of)})`;
    case "test":
      return testText(atom.test);
    default:
      return atom satisfies never;
  }
}
function testText(test: Test): string {
  if (test.kind === "flag") return test.text;
  // `a - b < 0` is shown as `a < b`: terms that are subtracted go to the other side.
  const left = test.of.numerator.filter((t) => t.coefficient.n > 0n);
  const right = test.of.numerator
    .filter((t) => t.coefficient.n < 0n)
    .map((t) => ({ ...t, coefficient: { n: -t.coefficient.n, d: t.coefficient.d } }));
  const side = (terms: Polynomial) => (terms.length === 0 ? "0" : polynomialText(terms));
  return `${side(left)} ${test.kind === "zero" ? "==" : "<"} ${side(right)}`;
}

const degree = (term: Term) => term.powers.reduce((sum, p) => sum + Math.max(p.exponent, 0), 0);
function monomialText(term: Term, coefficient: bigint): string {
  const factors = term.powers.map((p) => (p.exponent === 1 ? atomText(p) : `${atomText(p)} ** ${p.exponent}`));
  const plain = factors.map((f) => (isWord(f) || f.startsWith("floor(") || / \*\* \d+$/.test(f) ? f : `(${f})`));
  return coefficient === 1n && plain.length > 0 ? plain.join(" * ") : [String(coefficient), ...plain].join(" * ");
}

function polynomialText(polynomial: Polynomial): string {
  if (polynomial.length === 0) return "0";
  // One common denominator: `(h + 1) / 2`, `(h - 1) / stride`.
  const whole = polynomial.reduce((d, t) => (d * t.coefficient.d) / gcd(d, t.coefficient.d), 1n);
  const below = new Map<string, Power>();
  for (const term of polynomial)
    for (const p of term.powers) {
      const before = below.get(p.atom.key);
      if (p.exponent < 0 && p.exponent < -(before?.exponent ?? 0)) below.set(p.atom.key, { atom: p.atom, exponent: -p.exponent });
    }
  const above = polynomial.map((term): Term => {
    const powers = new Map<string, Power>([...below.values()].map((p) => [p.atom.key, p]));
    for (const p of term.powers) powers.set(p.atom.key, { atom: p.atom, exponent: p.exponent + (powers.get(p.atom.key)?.exponent ?? 0) });
    const kept = [...powers.values()].filter((p) => p.exponent !== 0);
    return { ...term, powers: kept, coefficient: { n: (term.coefficient.n * whole) / term.coefficient.d, d: 1n } };
  });
  const sorted = [...above].sort(
    (a, b) => Number(b.coefficient.n > 0n) - Number(a.coefficient.n > 0n) || degree(b) - degree(a) || (a.key < b.key ? -1 : 1),
  );
  const sum = sorted
    .map((term, i) => {
      const negative = term.coefficient.n < 0n;
      const text = monomialText(term, negative ? -term.coefficient.n : term.coefficient.n);
      return i === 0 ? (negative ? `-${text}` : text) : `${negative ? "-" : "+"} ${text}`;
    })
    .join(" ");
  const divisors = [
    ...(whole === 1n ? [] : [String(whole)]),
    ...[...below.values()].map((p) => (p.exponent === 1 ? atomText(p) : `${atomText(p)} ** ${p.exponent}`)),
  ];
  if (divisors.length === 0) return sum;
  return `${sorted.length === 1 ? sum : `(${sum})`} / ${divisors.length === 1 ? grouped(divisors[0]!) : `(${divisors.join(" * ")})`}`;
}
function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

/** The size as a user would write it; `?` where nothing is known. */
export function printSize(size: Size): string {
  if (isAny(size)) return "?";
  const [test] = testsOf(size);
  if (test)
    return `if ${testText(test.test)} { ${printSize(withTest(size, test, true))} } else { ${printSize(withTest(size, test, false))} }`;
  const above = polynomialText(size.numerator);
  const plain = size.denominator.length === 1 && size.denominator[0]!.key === "";
  return plain ? above : `${size.numerator.length > 1 ? `(${above})` : above} / (${polynomialText(size.denominator)})`;
}

/** The size of an axis in a message: one that stands for every size under the axis' own name says only that. */
export function describeSize(axis: string, size: Size): string {
  const text = printSize(size);
  return text === axis ? "any size" : text;
}
