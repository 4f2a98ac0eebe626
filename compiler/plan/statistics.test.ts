import { expect, test } from "vitest";
import { statistics } from "./statistics.ts";

test("the interval of a mean is Student's, whatever the number of values", () => {
  // Zeros with a one and its opposite: the deviation is the root of 2 / (n - 1). Points of the distribution from its published tables.
  for (const [degrees, point] of [
    [1, 12.706],
    [9, 2.262],
    [30, 2.042],
    [31, 2.0395],
    [60, 2.0003],
    [120, 1.9799],
  ] as const) {
    const values = Array.from({ length: degrees + 1 }, (_, i) => (i === 0 ? 1 : i === 1 ? -1 : 0));
    const wanted = (point * Math.sqrt(2 / degrees)) / Math.sqrt(degrees + 1);
    expect(Math.abs(statistics.ci95!(values) / wanted - 1), `${degrees}`).toBeLessThan(1e-4);
  }
  expect(statistics.ci95!([3])).toBeNaN();
});
