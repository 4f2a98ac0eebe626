import fc from "fast-check";
import type { ChosenSizes, Drawn, DrawnNumbers, DrawnSizes, Draws, Form, Place, Sample, SampleForm } from "../compiler/elaborate/index.ts";

// Samples of what a property draws, for fast-check: small first, and every sample can be made smaller. What decides shapes (sizes, rows, whole
// numbers, how long lists are) is drawn before the numbers.

/** Steps between 0 (or the low end) and the far end of a range: values are fractions that shrink to round ones. */
const steps = 4096;
const mostRowAxes = 2;
const mostRowSize = 4;
const mostElements = 4;

/** Where a sample of a form has numbers follows from the program. */
export type PlacesIn = (form: SampleForm) => readonly Place[];

export function samplesOf(draws: Draws, placesIn: PlacesIn): fc.Arbitrary<Sample> {
  const numbers = [...draws.values].flatMap(([name, drawn]) => (isWhole(drawn) ? [[name, drawn] as const] : []));
  const whole = fc.record(Object.fromEntries(numbers.map(([name, one]) => [name, fc.integer({ min: one.low, max: one.high })])));
  const forms = fc.record(Object.fromEntries([...draws.values].map(([name, drawn]) => [name, formsOf(drawn)])));
  return fc.tuple(sizesOf(draws), whole, forms).chain(([chosen, chosenNumbers, chosenForms]) => {
    const form: SampleForm = { sizes: { ...chosen.sizes, ...chosenNumbers }, rows: chosen.rows, forms: chosenForms };
    const places = placesIn(form).filter(({ path }) => !(path in chosenNumbers));
    const values = fc.record(Object.fromEntries(places.map(({ path, numbers: one, axes }) => [path, elements(one, countOf(axes))])));
    return values.map((made): Sample => {
      const drawn: Record<string, readonly number[]> = { ...(made as Record<string, readonly number[]>) };
      for (const [name, value] of Object.entries(chosenNumbers)) drawn[name] = [value];
      return { ...form, values: drawn };
    });
  });
}
/** A whole number that has a name of its own: sizes may be made of it. */
const isWhole = (drawn: Drawn): drawn is DrawnNumbers => drawn.kind === "numbers" && drawn.type === "int";
const countOf = (axes: Place["axes"]): number => axes.reduce((count, axis) => count * axis.size!, 1);

function sizesOf({ sizes, rows }: DrawnSizes): fc.Arbitrary<ChosenSizes> {
  const row = fc.array(fc.integer({ min: 1, max: mostRowSize }), { maxLength: mostRowAxes });
  return fc.record({
    sizes: fc.record(Object.fromEntries([...sizes].map(([name, { least, most }]) => [name, fc.integer({ min: least, max: most })]))),
    rows: fc.record(Object.fromEntries([...rows].map((name) => [name, row]))),
  });
}
function formsOf(drawn: Drawn): fc.Arbitrary<Form> {
  switch (drawn.kind) {
    case "numbers":
      return fc.constant({ kind: "numbers" });
    case "record":
      return fc
        .record(Object.fromEntries([...drawn.fields].map(([name, field]) => [name, formsOf(field)])))
        .map((fields): Form => ({ kind: "fields", fields }));
    case "tuple":
      return fc.tuple(...drawn.items.map(formsOf)).map((items): Form => ({ kind: "items", items }));
    case "list":
      return fc.array(formsOf(drawn.element), { minLength: 1, maxLength: mostElements }).map((items): Form => ({ kind: "items", items }));
    case "optional":
      return fc.option(formsOf(drawn.of), { freq: 2 }).map((form): Form => form ?? { kind: "none" });
    case "own":
      return fc.tuple(sizesOf(drawn.own), formsOf(drawn.of)).map(([own, of]): Form => ({ kind: "own", own, of }));
    default:
      return drawn satisfies never;
  }
}

function elements(one: DrawnNumbers, count: number): fc.Arbitrary<number[]> {
  return fc.array(element(one), { minLength: count, maxLength: count });
}
function element({ type, dtype, low, high }: DrawnNumbers): fc.Arbitrary<number> {
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
