import { applyBinary, applyUnary } from "../arithmetic.ts";
import { valueArg } from "../calls.ts";
import { pairUp, type Side } from "../checks.ts";
import { fail } from "../failure.ts";
import { place } from "../modules.ts";
import { bool, describe, number, tensor, type Val } from "../values.ts";
import { type BuiltinCall, type BuiltinRow, callBuiltin } from "./table.ts";

// What tests use besides everything else.

/** `near` as a value; where it is all that an `expect` says, `checks.ts` keeps its sides apart. */
function near(c: BuiltinCall): Val {
  const { session } = c;
  const sides: Side[] = [];
  pairUp(c.value("a"), c.value("b"), "", [c.spanOf("a"), c.spanOf("b")], c.scope, sides);
  const relative = c.compile("relative", 0);
  const tolerance = c.compile("tolerance", c.has("relative") ? 0 : 1e-5);
  const on = (op: "-" | "+" | "*" | "<=" | "and", a: Val, b: Val): Val => applyBinary(session, op, a, b, c.span);
  return sides.reduce((all: Val, { left, right, axes }) => {
    const [a, b] = [tensor(left, axes), tensor(right, axes)];
    const gap = applyUnary(session, "abs", on("-", a, b), c.span);
    const most = on("+", number(tolerance), on("*", number(relative), applyUnary(session, "abs", b, c.span)));
    const holds = callBuiltin("all", [valueArg(on("<=", gap, most), c.span)], c.span, c.scope);
    return on("and", all, holds);
  }, bool(true));
}

/** `fresh(M(…))`: a module with parameters of its own, as they are at the start, or as another's are. */
function fresh(c: BuiltinCall): Val {
  const { session } = c;
  const value = c.value("module");
  if (value.kind !== "instance")
    fail("type/mismatch", c.spanOf("module"), { found: describe(value), expected: "a module with its arguments" });
  const seed = c.has("seed") ? `[${c.compile("seed")}]` : "";
  let name = `fresh${seed}`;
  for (let n = 2; session.models.has(name); n++) name = `fresh${seed}#${n}`;
  place(value, name, true, c.span);
  const from = c.optional("from");
  if (from) {
    if (from.kind !== "instance" || from.instance.module !== value.instance.module)
      fail("type/mismatch", c.spanOf("from"), { found: describe(from), expected: `another \`${value.instance.module.name.name}\`` });
    session.copies.push({ from: from.instance, to: value.instance });
  }
  const { module } = value.instance;
  const surgery = c.optional("surgery") ?? null;
  if (surgery !== null && (surgery.kind !== "surgery" || surgery.item.for.name !== module.name.name || !from))
    fail("type/mismatch", c.spanOf("surgery"), {
      found: describe(surgery),
      expected: `a surgery of \`${module.name.name}\`, and \`from\` what it is done to`,
    });
  session.models.set(name, {
    name,
    module: module.name.name,
    trained: true,
    from: null,
    keys: null,
    surgery,
    value,
    span: c.span,
  });
  return value;
}

export const testRows: Readonly<Record<string, BuiltinRow>> = {
  near: { params: ["a", "b", "tolerance?", "relative?"], run: near },
  fresh: { params: ["module", "from?", "surgery?", "seed?"], run: fresh },
};
