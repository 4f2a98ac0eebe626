import type { Drawn, DrawnSizes, Draws, Form, Place, Sample, TestCase } from "../compiler/elaborate/index.ts";

// A sample as a program: a `test` that can be put behind the file it came from and run again.

/** The text of a test with the sample's values written out. `source` is the text of the item's file. */
export function counterexample(test: TestCase, draws: Draws, sample: Sample, places: readonly Place[], source: string): string {
  const textOf = ({ start, end }: { readonly start: number; readonly end: number }): string => source.slice(start, end);
  const taken = new Set([...draws.values.keys(), ...places.flatMap(({ axes }) => axes.map((axis) => axis.name))]);
  const lines: string[] = [];
  const sizeLines = ({ sizes }: DrawnSizes, chosen: Readonly<Record<string, number>>): void => {
    for (const name of sizes.keys()) {
      if (!taken.has(name)) lines.push(`  let ${name} = ${chosen[name]}`);
      taken.add(name);
    }
  };
  sizeLines(draws, sample.sizes);
  const at = new Map(places.map((place) => [place.path, numbersText(place, sample.values[place.path]!)]));
  for (const [name, drawn] of draws.values) {
    const form = sample.forms[name]!;
    if (drawn.kind === "own" && form.kind === "own") sizeLines(drawn.own, form.own.sizes);
    lines.push(`  let ${name} = ${valueText(drawn, form, name, at)}`);
  }
  const { item } = test;
  if (item.kind === "gradcheck")
    return `gradcheck ${textOf(item.value.span)}  // with\n${lines.map((line) => `//${line.slice(1)}`).join("\n")}\n`;
  const body = item.kind === "property" ? item.body : item.body.statements;
  for (const statement of body) lines.push(`  ${textOf(statement.span)}`);
  return `test ${JSON.stringify(`${test.title} (counterexample)`)} {\n${lines.join("\n")}\n}\n`;
}

function valueText(drawn: Drawn, form: Form, path: string, at: ReadonlyMap<string, string>): string {
  const inside = (one: Drawn, inner: Form, name: string | number): string => valueText(one, inner, `${path}.${name}`, at);
  const fields = form.kind === "fields" ? form.fields : {};
  const items = form.kind === "items" ? form.items : [];
  if (form.kind === "none") return "none";
  switch (drawn.kind) {
    case "numbers":
      return at.get(path)!;
    case "optional":
      return valueText(drawn.of, form, path, at);
    case "own":
      return valueText(drawn.of, form.kind === "own" ? form.of : form, path, at);
    case "record":
      return `{ ${[...drawn.fields].map(([name, field]) => `${name}: ${inside(field, fields[name]!, name)}`).join(", ")} }`;
    case "tuple":
      return `(${items.map((one, i) => inside(drawn.items[i]!, one, i)).join(", ")})`;
    case "list":
      return `[${items.map((one, i) => inside(drawn.element, one, i)).join(", ")}]`;
    default:
      return drawn satisfies never;
  }
}

function numbersText({ numbers, axes }: Place, given: readonly number[]): string {
  if (numbers.type === "tensor") return tensorText(given, axes, numbers.dtype === "bool");
  return numbers.type === "bool" ? String(given[0] !== 0) : numberText(given[0]!);
}
const numberText = (value: number): string => (Number.isFinite(value) ? String(value) : value > 0 ? "inf" : "-inf");

/** `stack([stack([1, 2], axis: w), …], axis: h)`; a tensor of equal elements as one number repeated. */
function tensorText(
  data: readonly number[],
  axes: readonly { readonly name: string; readonly size: number | null }[],
  isBool: boolean,
): string {
  const one = (value: number): string => (isBool ? String(value !== 0) : numberText(value));
  if (axes.length === 0) return one(data[0]!);
  const named = axes.map((axis) => `${axis.name}: ${axis.size}`).join(", ");
  if (data.every((value) => value === data[0])) return data.length === 0 ? `expand(0, [${named}])` : `expand(${one(data[0]!)}, [${named}])`;
  const nested = (from: number, to: number, depth: number): string => {
    const axis = axes[depth]!;
    const step = (to - from) / axis.size!;
    const parts = Array.from({ length: axis.size! }, (_, i) => {
      const start = from + i * step;
      return depth === axes.length - 1 ? one(data[start]!) : nested(start, start + step, depth + 1);
    });
    return `stack([${parts.join(", ")}], axis: ${axis.name})`;
  };
  return nested(0, data.length, 0);
}
