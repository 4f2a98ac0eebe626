// Numbers as WGSL text: exact, and the shortest that is exact.
import type { Scalar } from "../tile/tile.ts";

/** A finite f32 in the fewest digits that give it back; always with a point or an exponent. */
function floatText(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  let text = String(value);
  // Above 1e38 a shortened decimal may lie beyond the largest f32, which is an error in WGSL.
  if (Math.abs(value) < 1e38) {
    for (let digits = 1; digits <= 9; digits++) {
      const short = String(Number(value.toPrecision(digits)));
      if (Math.fround(Number(short)) === value) {
        text = short;
        break;
      }
    }
  }
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** The text of a finite literal of width 1; negative ones in brackets. */
export function literalText(value: number, scalar: Scalar): string {
  switch (scalar) {
    case "bool":
      return value !== 0 ? "true" : "false";
    case "u32":
      return `${value}u`;
    case "i32":
      if (value === -2147483648) return "i32(-2147483648)";
      return value < 0 ? `(${value})` : String(value);
    case "f32": {
      const text = floatText(value);
      return text.startsWith("-") ? `(${text})` : text;
    }
    default:
      throw new Error(`internal: scalar ${scalar satisfies never}`);
  }
}
