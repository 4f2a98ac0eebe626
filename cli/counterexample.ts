import type { Draws, Sample, TestCase } from "../compiler/elaborate/index.ts";

// A sample as a program: a `test` that can be put behind the file it came from and run again.

type Shapes = ReadonlyMap<string, readonly { readonly name: string; readonly size: number | null }[]>;

/** The text of a test with the sample's values written out. `source` is the text of the item's file. */
export function counterexample(test: TestCase, draws: Draws, sample: Sample, shapes: Shapes, source: string): string {
  const textOf = ({ start, end }: { readonly start: number; readonly end: number }): string => source.slice(start, end);
  const axisNames = new Set([...shapes.values()].flatMap((axes) => axes.map((axis) => axis.name)));
  const sizes = draws.sizes.filter(({ name }) => !axisNames.has(name));
  const lines = sizes.map(({ name }) => `  let ${name} = ${sample.sizes[name]}`);
  for (const one of draws.values) {
    const given = sample.values[one.name]!;
    const axes = shapes.get(one.name);
    const written = axes
      ? tensorText(given, axes, one.dtype === "bool")
      : one.type === "bool"
        ? String(given[0] !== 0)
        : numberText(given[0]!);
    lines.push(`  let ${one.name} = ${written}`);
  }
  const { item } = test;
  if (item.kind === "gradcheck")
    return `gradcheck ${textOf(item.value.span)}  // with\n${lines.map((line) => `//${line.slice(1)}`).join("\n")}\n`;
  const body = item.kind === "property" ? item.body : item.body.statements;
  for (const statement of body) lines.push(`  ${textOf(statement.span)}`);
  return `test ${JSON.stringify(`${test.title} (counterexample)`)} {\n${lines.join("\n")}\n}\n`;
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
