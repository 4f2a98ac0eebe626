import type { Span } from "../../dsl/span.ts";
import { fail } from "./failure.ts";
import type { Session } from "./session.ts";
import { type AxisItem, describe, type ListVal, plainAxis, type TensorVal, tensor, type Val } from "./values.ts";

// Lists of plain numbers as small constant tensors.

/** The numbers of a nested list in row-major order, with its sizes; undefined where it holds anything else or is ragged. */
export function numbersOf(val: Val): { readonly data: readonly number[]; readonly shape: readonly number[] } | undefined {
  if (val.kind === "number") return { data: [val.value], shape: [] };
  if (val.kind === "bool") return { data: [Number(val.value)], shape: [] };
  if (val.kind !== "list") return undefined;
  const parts = val.items.map(numbersOf);
  if (parts.length === 0 || parts.some((p) => p === undefined)) return undefined;
  const inner = parts[0]!.shape;
  if (parts.some((p) => p!.shape.join() !== inner.join())) return undefined;
  return { data: parts.flatMap((p) => p!.data), shape: [parts.length, ...inner] };
}

/** A list of numbers as the tensor with these axes. */
export function tableOf(session: Session, val: ListVal, axes: readonly AxisItem[], span: Span, dtype: "f32" | "i32" = "f32"): TensorVal {
  const numbers = numbersOf(val);
  if (numbers === undefined) fail("type/mismatch", span, { found: describe(val), expected: "a list of numbers" });
  if (numbers.shape.length !== axes.length)
    fail("shape/rank", span, { found: `a list nested ${numbers.shape.length} deep`, expected: `${axes.length} axes` });
  axes.forEach((axis, i) => {
    if (axis.size !== null && axis.size !== numbers.shape[i])
      fail("shape/axis-mismatch", span, { axis: plainAxis(axis.name), left: numbers.shape[i]!, right: axis.size });
  });
  const { data } = numbers;
  const table = session.builder.make(
    "table",
    [],
    { data, dtype, shape: numbers.shape },
    { labels: axes.map((a) => plainAxis(a.name)), origin: { span } },
  );
  return tensor(
    table,
    axes.map((a) => a.name),
  );
}
