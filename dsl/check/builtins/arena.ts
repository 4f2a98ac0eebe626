import { anySize } from "../../types/size.ts";
import { axis, errorType, intType, type Type, tensor, unknownType } from "../../types/type.ts";
import { callWith } from "../calls.ts";
import { elementsOf } from "../expressions.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";

// What optimisers do with single parameters.

/** `per_tensor([u, p], fn(u: real[row, col], p: real[row, col], rank: Int) => …)`: what the function gives for each, as one arena. */
function perTensor(c: BuiltinCall): Type {
  const list = c.type("arenas");
  const step = c.type("step");
  if (list.kind === "error" || step.kind === "error") return errorType;
  const arenas = list.kind === "list" ? elementsOf(list) : null;
  if (list.kind === "unknown") return unknownType;
  if (!arenas || arenas.length === 0) return c.mismatch("arenas", "a list of arenas: `[p, g]`");
  if (!["closure", "function", "unknown"].includes(step.kind)) return c.mismatch("step", "a function `fn(x: real[row, col], rank: Int) …`");
  const matrix = tensor("real", [axis("row", anySize()), axis("col", anySize())]);
  const result = callWith(step, [...arenas.map(() => matrix), intType], c.spanOf("step"), c.scope);
  if (result.kind === "error") return errorType;
  const [first] = arenas;
  return first?.kind === "tensor" ? first : unknownType;
}

export const arenaRules: Readonly<Record<string, BuiltinRule>> = {
  per_tensor: { params: "arenas step", type: perTensor },
};
