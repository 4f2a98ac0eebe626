import type { Span } from "../../dsl/span.ts";
import { fail } from "./failure.ts";
import { describe, type TensorVal, type Val } from "./values.ts";

/** Pictures to be written: a tensor [c, h, w] with one or three channels, several along a first axis, or a list of these. */
export function picturesIn(value: Val, span: Span): readonly { readonly tensor: TensorVal; readonly several: boolean }[] {
  if (value.kind === "list") return value.items.flatMap((item) => picturesIn(item, span).map((one) => ({ ...one, several: true })));
  const rank = value.kind === "tensor" ? value.axes.length : 0;
  const channels = value.kind === "tensor" ? value.value.shape.at(-3) : 0;
  if (value.kind !== "tensor" || (rank !== 3 && rank !== 4) || (channels !== 1 && channels !== 3))
    return fail("type/mismatch", span, {
      found: describe(value),
      expected: "pictures: a tensor [n, c: 3, h, w] or [c: 3, h, w], or a list of these",
    });
  return [{ tensor: value, several: rank === 4 }];
}
