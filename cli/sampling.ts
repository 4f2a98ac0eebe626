import fc from "fast-check";
import type { Drawn, Draws, Sample } from "../compiler/elaborate/index.ts";

// Samples of what a property draws, for fast-check: small first, and every sample can be made smaller. Sizes are drawn before values.

/** Steps between 0 (or the low end) and the far end of a range: values are fractions that shrink to round ones. */
const steps = 4096;
const mostRowAxes = 2;
const mostRowSize = 4;

/** Shapes follow from sizes: how many elements each tensor has. */
export type CountOf = (name: string, sizes: Pick<Sample, "sizes" | "rows">) => number;

export function samplesOf(draws: Draws, countOf: CountOf): fc.Arbitrary<Sample> {
  const numbers = draws.values.filter((one) => one.type === "int");
  const sizes = fc.record(Object.fromEntries(draws.sizes.map(({ name, least, most }) => [name, fc.integer({ min: least, max: most })])));
  const rows = fc.record(
    Object.fromEntries(draws.rows.map((name) => [name, fc.array(fc.integer({ min: 1, max: mostRowSize }), { maxLength: mostRowAxes })])),
  );
  const whole = fc.record(Object.fromEntries(numbers.map((one) => [one.name, fc.integer({ min: one.low, max: one.high })])));
  return fc.tuple(sizes, rows, whole).chain(([chosen, chosenRows, chosenNumbers]) => {
    const shape = { sizes: { ...chosen, ...chosenNumbers }, rows: chosenRows };
    const rest = draws.values.filter((one) => one.type !== "int");
    const values = fc.record(Object.fromEntries(rest.map((one) => [one.name, elements(one, countOf(one.name, shape))])));
    return values.map((made): Sample => {
      const drawn: Record<string, readonly number[]> = { ...(made as Record<string, readonly number[]>) };
      for (const [name, value] of Object.entries(chosenNumbers)) drawn[name] = [value];
      return { ...shape, values: drawn };
    });
  });
}

function elements(one: Drawn, count: number): fc.Arbitrary<number[]> {
  return fc.array(element(one), { minLength: count, maxLength: count });
}
function element({ type, dtype, low, high }: Drawn): fc.Arbitrary<number> {
  if (type === "bool" || dtype === "bool") return fc.integer({ min: 0, max: 1 });
  if (dtype === "i32") return fc.integer({ min: low, max: high });
  // Towards 0 where it is in the range, else towards the end that is nearer to it.
  if (low <= 0 && high >= 0) {
    const far = Math.max(-low, high);
    return fc
      .integer({ min: Math.ceil((low / far) * steps) || 0, max: Math.floor((high / far) * steps) || 0 })
      .map((i) => Math.fround((i / steps) * far));
  }
  const [near, away] = low > 0 ? [low, high] : [high, low];
  return fc.integer({ min: 0, max: steps }).map((i) => Math.fround(near + ((away - near) * i) / steps));
}
