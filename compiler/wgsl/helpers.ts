// WGSL functions that printed kernels call where a builtin is missing, is inexact on some driver, or means something else. One row per
// helper; a helper may need others. `T` stands for f32 or vec4f (i32 or vec4i), `U` for u32 of that width.
import type { Width } from "../tile/tile.ts";

export type Helper =
  | "erf" // within 3e-7 relative of erf, for any argument
  | "tanh" // within 3.4e-7 relative of tanh; no overflow
  | "sine" // sine of x and so many quarter turns, within 3e-7 absolute for |x| up to 8192: some drivers' own is off by 2e-4
  | "power" // JavaScript's ** : negative bases with integer exponents, 0**0 = 1
  | "floorDivide" // i32, any signs
  | "floorRemainder"
  | "floorDivideBy" // i32 by a divisor above 0
  | "floorRemainderBy"
  | "half" // the nearest 16-bit float, ties to even, as f32: no driver's own conversion is asked
  | "packHalves" // the same of four f32, as two words
  | "unpackHalves" // and back
  | "infinity"
  | "notANumber"
  | "philox";

type Plain = "packHalves" | "unpackHalves" | "infinity" | "notANumber" | "philox";

interface Row {
  readonly scalar: "f32" | "i32";
  readonly text: string;
}

const rows: { readonly [h in Exclude<Helper, Plain>]: Row } = {
  // Both pieces are minimax fits: erf(x)/x - 1 in x² below 1, and -log(erfc(x))/x from 1 to 4, above which erf rounds to 1.
  erf: {
    scalar: "f32",
    text: `fn erf(x: T) -> T {
  let s = min(x * x, T(1.0));
  var near = fma(s, T(7.853857705990744e-05), T(-8.010192520789788e-04));
  near = fma(near, s, T(5.188327560047167e-03));
  near = fma(near, s, T(-2.685381186916528e-02));
  near = fma(near, s, T(1.1283585147033988e-01));
  near = fma(near, s, T(-3.7612625824093965e-01));
  near = fma(near, s, T(1.2837916572669045e-01));
  let t = clamp(abs(x), T(1.0), T(4.0));
  var far = fma(t, T(1.3962444131039584e-05), T(-3.5059204826304714e-04));
  far = fma(far, t, T(3.7574769089043624e-03));
  far = fma(far, t, T(-2.4010068839186594e-02));
  far = fma(far, t, T(1.0653086574196217e-01));
  far = fma(far, t, T(6.349695308659937e-01));
  far = fma(far, t, T(1.128694336927952));
  return select(fma(x, near, x), sign(x) * (1.0 - exp(-t * far)), abs(x) > T(1.0));
}`,
  },
  // A fit of tanh(x)/x in x² up to 8, above which 1 is nearer than 3e-7; both polynomials begin with 1, so that small arguments come out as they
  // are. On CPU adapters an exponential would cost twice as much as all of it.
  tanh: {
    scalar: "f32",
    text: `fn tanhOf(x: T) -> T {
  let s = min(x * x, T(64.0));
  var over = fma(s, T(-1.1473405504749262e-13), T(6.338877339695514e-11));
  over = fma(over, s, T(-2.227234929819133e-08));
  over = fma(over, s, T(1.1634083421085961e-05));
  over = fma(over, s, T(3.148665651679039e-03));
  over = fma(over, s, T(1.3123750686645508e-01));
  over = fma(over, s, T(1.0));
  var under = fma(s, T(2.6118993991985917e-04), T(2.467230148613453e-02));
  under = fma(under, s, T(4.645708203315735e-01));
  under = fma(under, s, T(1.0));
  return select(x * over / under, sign(x), abs(x) > T(8.0));
}`,
  },
  // Quarter turns are taken off in three parts that are exact in few bits; both pieces are minimax fits within an eighth of a turn.
  sine: {
    scalar: "f32",
    text: `fn sine(x: T, quarters: T) -> T {
  let turns = round(x * T(0.6366197723675814));
  let r = fma(turns, T(-7.549790126404332e-08), fma(turns, T(-4.837512969970703e-04), fma(turns, T(-1.5703125), x)));
  let s = r * r;
  let odd = fma(fma(fma(s, T(-1.9510838136700546e-04), T(8.332131487786108e-03)), s, T(-1.666665422535149e-01)), r * s, r);
  let cosine = fma(fma(s, T(2.4431203145674216e-05), T(-1.3887306024734014e-03)), s, T(4.166664565242683e-02));
  let even = fma(cosine, s * s, fma(s, T(-0.5), T(1.0)));
  let place = turns + quarters;
  let quadrant = place - 4.0 * floor(place * 0.25);
  let size = select(odd, even, (quadrant == T(1.0)) | (quadrant == T(3.0)));
  return select(size, -size, quadrant >= T(2.0));
}`,
  },
  power: {
    scalar: "f32",
    text: `fn power(x: T, y: T) -> T {
  let size = pow(abs(x), y);
  let whole = floor(y) == y;
  let odd = whole & (floor(y * 0.5) * 2.0 != y);
  let ofNegative = select(T(notANumber()), select(size, -size, odd), whole);
  let ofZero = select(T(0.0), T(infinity()), y < T(0.0));
  let result = select(select(size, ofNegative, x < T(0.0)), ofZero, x == T(0.0));
  return select(result, T(1.0), y == T(0.0));
}`,
  },
  // Added to 0.5, whose last place is worth 2^-24, a number below the normal ones is rounded to as many of these.
  half: {
    scalar: "f32",
    text: `fn nearestHalf(x: T) -> T {
  let bits = bitcast<U>(x);
  let size = bits & U(0x7fffffffu);
  let near = (size + U(0xfffu) + ((size >> U(13u)) & U(1u))) & U(0xffffe000u);
  let normal = select(near, U(0x7f800000u), near >= U(0x47800000u));
  let small = bitcast<U>(T(bitcast<U>(abs(x) + T(0.5)) - U(0x3f000000u)) * T(5.9604644775390625e-08));
  let finite = select(normal, small, size < U(0x38800000u));
  return bitcast<T>(select(finite, size, size > U(0x7f800000u)) | (bits & U(0x80000000u)));
}`,
  },
  floorDivide: {
    scalar: "i32",
    text: `fn floorDivide(a: T, b: T) -> T {
  let q = a / b;
  return q - T((a - q * b != T(0)) & ((a ^ b) < T(0)));
}`,
  },
  floorRemainder: {
    scalar: "i32",
    text: `fn floorRemainder(a: T, b: T) -> T {
  return a - floorDivide(a, b) * b;
}`,
  },
  // The sign mask turns a negative number into its complement, which is not negative, and the quotient back.
  floorDivideBy: {
    scalar: "i32",
    text: `fn floorDivideBy(a: T, b: T) -> T {
  let mask = a >> COUNT;
  return ((a ^ mask) / b) ^ mask;
}`,
  },
  floorRemainderBy: {
    scalar: "i32",
    text: `fn floorRemainderBy(a: T, b: T) -> T {
  return a - floorDivideBy(a, b) * b;
}`,
  },
};

// WGSL has no constant infinity; a private variable is not constant.
const infinity = `var<private> infinityBits: u32 = 0x7f800000u;
fn infinity() -> f32 {
  return bitcast<f32>(infinityBits);
}`;
const notANumber = `var<private> notANumberBits: u32 = 0x7fc00000u;
fn notANumber() -> f32 {
  return bitcast<f32>(notANumberBits);
}`;
// What is above all f16 numbers rounds to the infinite one when it is cut down to 65536.
const packHalves = `fn packHalves(x: vec4f) -> vec2u {
  let bits = bitcast<vec4u>(x);
  let size = bits & vec4u(0x7fffffffu);
  let cut = min(size, vec4u(0x47800000u));
  let normal = (cut + ((size >> vec4u(13u)) & vec4u(1u)) + vec4u(0xc8000fffu)) >> vec4u(13u);
  let small = bitcast<vec4u>(abs(x) + vec4f(0.5)) - vec4u(0x3f000000u);
  let finite = select(normal, small, size < vec4u(0x38800000u));
  let halves = select(finite, vec4u(0x7e00u), size > vec4u(0x7f800000u)) | ((bits >> vec4u(16u)) & vec4u(0x8000u));
  return halves.xz | (halves.yw << vec2u(16u));
}`;
const unpackHalves = `fn unpackHalves(x: vec2u) -> vec4f {
  return vec4f(unpack2x16float(x.x), unpack2x16float(x.y));
}`;
// Philox4x32-10; the high word of a product from four products of 16-bit halves.
const philox = `fn multiplyHigh(a: u32, b: u32) -> u32 {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let middle = aHigh * bLow + ((aLow * bLow) >> 16u);
  let cross = aLow * bHigh + (middle & 0xffffu);
  return aHigh * bHigh + (middle >> 16u) + (cross >> 16u);
}
fn philox(key: vec2u, counter: vec4u) -> vec4u {
  var k = key;
  var x = counter;
  for (var round = 0; round < 10; round++) {
    let high0 = multiplyHigh(0xd2511f53u, x.x);
    let high1 = multiplyHigh(0xcd9e8d57u, x.z);
    x = vec4u(high1 ^ x.y ^ k.x, 0xcd9e8d57u * x.z, high0 ^ x.w ^ k.y, 0xd2511f53u * x.x);
    k = k + vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return x;
}`;

const needs: { readonly [h in Helper]?: readonly Helper[] } = {
  power: ["infinity", "notANumber"],
  floorRemainder: ["floorDivide"],
  floorRemainderBy: ["floorDivideBy"],
};
const order: readonly Helper[] = [
  "half",
  "packHalves",
  "unpackHalves",
  "infinity",
  "notANumber",
  "erf",
  "tanh",
  "sine",
  "power",
  "floorDivide",
  "floorRemainder",
  "floorDivideBy",
  "floorRemainderBy",
  "philox",
];
const functionNames: { readonly [h in Helper]?: string } = { tanh: "tanhOf", half: "nearestHalf" };
const plain = (helper: Helper): helper is Plain =>
  helper === "packHalves" || helper === "unpackHalves" || helper === "infinity" || helper === "notANumber" || helper === "philox";

/** The largest whole exponent, up to sign, that is written out as products. */
export const largestIntegerPower = 16;

/** All identifiers that helpers may bind. */
export const helperNames: readonly string[] = [
  ...order.flatMap((h) => [functionNames[h] ?? h, `${functionNames[h] ?? h}4`]),
  ...Array.from({ length: largestIntegerPower + 1 }, (_, n) => [`power_${n}`, `power_minus${n}`, `power4_${n}`, `power4_minus${n}`]).flat(),
  "infinityBits",
  "notANumberBits",
  "multiplyHigh",
];

/** The helpers that one kernel calls. */
export class Helpers {
  readonly #wanted = new Map<Helper, Set<Width>>();
  readonly #integerPowers = new Map<string, string>();

  /** The name to call; notes that the helper must be printed. */
  call(helper: Helper, width: Width): string {
    const actual = plain(helper) ? 1 : width;
    const widths = this.#wanted.get(helper) ?? new Set<Width>();
    this.#wanted.set(helper, widths.add(actual));
    for (const other of needs[helper] ?? []) this.call(other, actual);
    const name = functionNames[helper] ?? helper;
    return actual === 4 ? `${name}4` : name;
  }

  /** The name to call for x ** n with a small whole n, by squaring: exact where a general power is off by many units. */
  integerPower(n: number, width: Width): string {
    const name = `power${width === 4 ? "4" : ""}_${n < 0 ? "minus" : ""}${Math.abs(n)}`;
    this.#integerPowers.set(name, integerPowerText(name, n, width));
    return name;
  }

  /** The texts, each after those it needs. */
  texts(): readonly string[] {
    const general = order.flatMap((helper) => {
      const widths = this.#wanted.get(helper);
      if (widths === undefined) return [];
      return ([1, 4] as const).filter((width) => widths.has(width)).map((width) => helperText(helper, width));
    });
    return [...general, ...[...this.#integerPowers].sort().map(([, text]) => text)];
  }
}

function integerPowerText(name: string, n: number, width: Width): string {
  const type = width === 4 ? "vec4f" : "f32";
  const lines: string[] = [];
  let product = "";
  for (let bit = 1, square = "x"; bit <= Math.abs(n); bit *= 2) {
    if ((Math.abs(n) & bit) !== 0) product = product === "" ? square : `${product} * ${square}`;
    if (bit * 2 <= Math.abs(n)) {
      lines.push(`  let x${bit * 2} = ${square} * ${square};`);
      square = `x${bit * 2}`;
    }
  }
  return [`fn ${name}(x: ${type}) -> ${type} {`, ...lines, `  return ${n < 0 ? `1.0 / (${product})` : product};`, "}"].join("\n");
}

function helperText(helper: Helper, width: Width): string {
  if (helper === "infinity") return infinity;
  if (helper === "notANumber") return notANumber;
  if (helper === "philox") return philox;
  if (helper === "packHalves") return packHalves;
  if (helper === "unpackHalves") return unpackHalves;
  const row = rows[helper];
  const vector = row.scalar === "f32" ? "vec4f" : "vec4i";
  const constants = width === 4 ? row.text : row.text.replace(/\bT\((-?[0-9][0-9.e+-]*)\)/g, "$1");
  const text = constants
    .replace(/\bT\b/g, width === 4 ? vector : row.scalar)
    .replace(/\bU\b/g, width === 4 ? "vec4u" : "u32")
    .replace("COUNT", width === 4 ? "vec4u(31u)" : "31u");
  if (width === 1) return text;
  const own = [helper, ...(needs[helper] ?? [])].filter((h) => !plain(h)).map((h) => functionNames[h] ?? h);
  return own.reduce((t, name) => t.replaceAll(`${name}(`, `${name}4(`), text);
}
