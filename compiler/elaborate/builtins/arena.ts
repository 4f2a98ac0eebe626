import type { Value } from "../../ir/value.ts";
import { toTensor } from "../arithmetic.ts";
import { spreadTo } from "../axes.ts";
import { callWith } from "../calls.ts";
import { isNumeric, number, type TensorVal, tensor, type Val } from "../values.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// What optimisers do with single parameters: an arena is cut into the parameters that lie in it, and put together again.

/** How many parts are put together at once: few enough for the bindings of one kernel, whatever each part reads. */
const joined = 4;

function together(c: BuiltinCall, parts: readonly Value[]): Value {
  if (parts.length === 1) return parts[0]!;
  const groups: Value[] = [];
  for (let i = 0; i < parts.length; i += joined) groups.push(c.session.builder.concat(parts.slice(i, i + joined), 0));
  return together(c, groups);
}

/**
 * Each parameter as a matrix: its first axis, and all others as one; of a vector, one column. The function also gets the rank, known when
 * compiling, so that an `if` chooses what is done with matrices. Unrolled: the number of kernels grows with that of parameters.
 */
function perTensor(c: BuiltinCall): Val {
  const { builder, arena } = c.session;
  if (arena === null) throw new Error("internal: per_tensor outside an optimiser");
  c.session.byTensor = true;
  const arenas = c.items("arenas").map((a): TensorVal => {
    if (a.kind !== "tensor" || a.axes.length !== 1 || a.value.shape[0] !== arena.size) return c.mismatch("arenas", "arenas, `f32[n]`");
    return a;
  });
  const parts: Value[] = [];
  let end = 0;
  for (const { offset, size, shape } of arena.slices) {
    const row = shape[0] ?? 1;
    const matrix = [row, size / row];
    const views = arenas.map((a) => tensor(builder.reshape(builder.sliceAxis(a.value, 0, offset, size), matrix), ["row", "col"]));
    const made = callWith(c.value("step"), [...views, number(shape.length)], c.spanOf("step"), c.scope);
    if (!isNumeric(made)) return c.mismatch("step", "a function that gives numbers");
    const axes = ["row", "col"].map((name, i) => ({ name, size: matrix[i]! }));
    if (offset > end) parts.push(builder.splat(0, [offset - end])); // gaps stay 0
    parts.push(builder.reshape(spreadTo(builder, toTensor(c.session, made, "f32"), axes, c.span).value, [size]));
    end = offset + size;
  }
  if (arena.size > end) parts.push(builder.splat(0, [arena.size - end]));
  return tensor(together(c, parts), arenas[0]!.axes);
}

export const arenaRows: Readonly<Record<string, BuiltinRow>> = {
  per_tensor: { params: ["arenas", "step"], run: perTensor },
};
