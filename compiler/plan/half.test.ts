import { describe, expect, test } from "vitest";
import { fromHalves, halfBits, halfBytes, halfValue, roundToHalf, toHalves } from "./half.ts";

describe("16-bit floats", () => {
  test("all 65536 bit patterns mean a number that has these bits", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = halfValue(bits);
      if (Number.isNaN(value)) expect(halfBits(value)).toBe(0x7e00);
      else if (halfBits(value) !== bits || roundToHalf(value) !== value)
        throw new Error(`${bits.toString(16)} is ${value}, back ${halfBits(value)}`);
    }
  });
  test("rounds to the nearest, and halfway to the even one", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [halfValue(bits), halfValue(bits + 1)];
      const middle = (low + high) / 2; // exact in a double
      const even = bits % 2 === 0 ? low : high;
      const step = (high - low) / 2 ** 20;
      for (const sign of [1, -1]) {
        const found = [roundToHalf(sign * middle), roundToHalf(sign * (middle - step)), roundToHalf(sign * (middle + step))];
        if (found[0] !== sign * even || found[1] !== sign * low || found[2] !== sign * high) throw new Error(`${middle}: ${found}`);
      }
    }
  });
  test("what is too large is infinite, signs of zero and not-a-number stay", () => {
    expect([65504, 65519.99, 65520, 1e30, -65520].map(roundToHalf)).toEqual([65504, 65504, Infinity, Infinity, -Infinity]);
    expect(Object.is(roundToHalf(-1e-30), -0)).toBe(true);
    expect(halfBits(-0)).toBe(0x8000);
    expect(roundToHalf(Number.NaN)).toBeNaN();
    expect(roundToHalf(2 ** -24)).toBe(2 ** -24);
    expect(roundToHalf(2 ** -25)).toBe(0);
    expect(roundToHalf(2 ** -25 * 1.001)).toBe(2 ** -24);
  });
  test("memory is whole vectors", () => {
    expect([1, 4, 5].map(halfBytes)).toEqual([8, 8, 16]);
    expect([...fromHalves(toHalves([1, 2, 3, 4, 0.1]), 5)]).toEqual([1, 2, 3, 4, halfValue(halfBits(0.1))]);
  });
});
