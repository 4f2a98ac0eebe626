import { numberText } from "../ir/attributes.ts";
import { type HostValue, hostOps } from "../plan/evalHost.ts";
import type { HostExpr, HostOp } from "../plan/host.ts";
import type { HostVal, ScalarVal, Val } from "./values.ts";

// Building host expressions with constants folded at once, and moving between them and scalar values.

export function hostNumber(value: number): HostExpr {
  return { kind: "number", value };
}

export function hostConstant(value: HostValue): HostExpr {
  if (typeof value === "number") return { kind: "number", value };
  if (typeof value === "boolean") return { kind: "bool", value };
  return { kind: "text", value };
}

/** The value of an expression without counters and draws. */
export function constantOf(expr: HostExpr): HostValue | undefined {
  return expr.kind === "number" || expr.kind === "bool" || expr.kind === "text" ? expr.value : undefined;
}

/** Whether two expressions are the same to the last bit. */
export function sameHost(a: HostExpr, b: HostExpr): boolean {
  if (a === b) return true;
  return a.kind === "number" && b.kind === "number" ? Object.is(a.value, b.value) : itemKey([a]) === itemKey([b]);
}

/** Equal for equal expressions; numbers to the last bit, which JSON does not keep. */
export function itemKey(exprs: readonly HostExpr[]): string {
  return exprs
    .map((e) => (e.kind === "number" ? numberText(e.value) : e.kind === "perRun" ? `[${e.loop}: ${itemKey(e.of)}]` : hostKey(e)))
    .join(";");
}

/** What each run of a loop has, as one expression: an item, or the expression itself where all runs have the same. */
export function itemOf(loop: number, of: readonly HostExpr[]): HostExpr {
  return of.every((e) => sameHost(e, of[0]!)) ? of[0]! : { kind: "perRun", loop, of };
}

/** What an expression is in one run of a loop, whatever holds the items. */
export function atRun<T>(value: T, loop: number, run: number): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => atRun(one, loop, run)) as T;
  const record = value as Readonly<Record<string, unknown>>;
  if (record.kind === "perRun" && record.loop === loop) return (record.of as readonly T[])[run]!;
  return Object.fromEntries(Object.entries(record).map(([key, one]) => [key, atRun(one, loop, run)])) as T;
}

/** An expression over others; where these differ from run to run of a loop, so does it: items stand outermost, of the innermost loop first. */
function overItems(args: readonly HostExpr[], make: (args: readonly HostExpr[]) => HostExpr): HostExpr {
  const loop = Math.max(-1, ...args.map((a) => (a.kind === "perRun" ? a.loop : -1)));
  if (loop < 0) return make(args);
  const runs = args.find((a) => a.kind === "perRun" && a.loop === loop) as Extract<HostExpr, { kind: "perRun" }>;
  const at = (a: HostExpr, i: number): HostExpr => (a.kind === "perRun" && a.loop === loop ? a.of[i]! : a);
  return itemOf(
    loop,
    runs.of.map((_, i) =>
      overItems(
        args.map((a) => at(a, i)),
        make,
      ),
    ),
  );
}

/** `op(args)`, computed now if everything is known; `and`, `or` and neutral numbers are shortened. */
export function hostOp(op: HostOp, ...args: readonly HostExpr[]): HostExpr {
  return overItems(args, (plain) => plainOp(op, plain));
}

function plainOp(op: HostOp, args: readonly HostExpr[]): HostExpr {
  const known = args.map(constantOf);
  if (known.every((v) => v !== undefined)) return hostConstant(hostOps[op](...(known as HostValue[])));
  const [a, b] = known;
  if (op === "and") {
    if (a === false || b === false) return hostConstant(false);
    if (a === true) return args[1]!;
    if (b === true) return args[0]!;
  }
  if (op === "or") {
    if (a === true || b === true) return hostConstant(true);
    if (a === false) return args[1]!;
    if (b === false) return args[0]!;
  }
  if (op === "mul" && (a === 1 || b === 1)) return a === 1 ? args[1]! : args[0]!;
  if (op === "add" && (a === 0 || b === 0)) return a === 0 ? args[1]! : args[0]!;
  if ((op === "sub" && b === 0) || (op === "div" && b === 1)) return args[0]!;
  return { kind: "op", op, args };
}

export function hostIf(condition: HostExpr, then: HostExpr, otherwise: HostExpr): HostExpr {
  return overItems([condition, then, otherwise], ([c, t, o]) => {
    const known = constantOf(c!);
    if (known !== undefined) return known ? t! : o!;
    return { kind: "if", condition: c!, then: t!, otherwise: o! };
  });
}

/** Whether one of several holds. */
export function hostAny(of: readonly HostExpr[]): HostExpr {
  return overItems(of, plainAny);
}

function plainAny(of: readonly HostExpr[]): HostExpr {
  if (of.some((one) => constantOf(one) === true)) return hostConstant(true);
  const open = of.filter((one) => constantOf(one) === undefined);
  if (open.length === 0) return hostConstant(false);
  return open.length === 1 ? open[0]! : { kind: "any", of: open };
}

/** Texts put together; known neighbours become one. */
export function hostJoin(parts: readonly HostExpr[]): HostExpr {
  return overItems(parts, plainJoin);
}

function plainJoin(parts: readonly HostExpr[]): HostExpr {
  const out: HostExpr[] = [];
  for (const part of parts) {
    const last = out.at(-1);
    if (part.kind === "text" && last?.kind === "text") out[out.length - 1] = { kind: "text", value: last.value + part.value };
    else out.push(part);
  }
  return out.length === 1 ? out[0]! : out.length === 0 ? hostConstant("") : { kind: "join", parts: out };
}

/** Rebuilds an expression bottom-up; `change` may replace a node. */
export function mapHost(expr: HostExpr, change: (expr: HostExpr) => HostExpr | undefined): HostExpr {
  const replaced = change(expr);
  if (replaced !== undefined) return replaced;
  if (expr.kind === "op") return hostOp(expr.op, ...expr.args.map((arg) => mapHost(arg, change)));
  if (expr.kind === "if") return hostIf(mapHost(expr.condition, change), mapHost(expr.then, change), mapHost(expr.otherwise, change));
  if (expr.kind === "any") return hostAny(expr.of.map((one) => mapHost(one, change)));
  if (expr.kind === "held" || expr.kind === "taken" || expr.kind === "row") return { ...expr, key: mapHost(expr.key, change) };
  if (expr.kind === "perRun")
    return itemOf(
      expr.loop,
      expr.of.map((one) => mapHost(one, change)),
    );
  if (expr.kind === "join") return hostJoin(expr.parts.map((part) => mapHost(part, change)));
  if (expr.kind === "item") return { ...expr, args: expr.args.map((arg) => mapHost(arg, change)) };
  return expr;
}

/** The same content gives the same text. */
export function hostKey(expr: HostExpr): string {
  return JSON.stringify(expr);
}

/** A scalar as a host expression. */
export function toHost(val: ScalarVal): HostExpr {
  return val.kind === "host" ? val.expr : hostConstant(val.value);
}

/** A host expression as a value: a plain one if it is known already. */
export function fromHost(expr: HostExpr, type: HostVal["type"]): ScalarVal {
  const known = constantOf(expr);
  if (typeof known === "number") return { kind: "number", value: known };
  if (typeof known === "boolean") return { kind: "bool", value: known };
  if (typeof known === "string") return { kind: "text", value: known };
  return { kind: "host", expr, type };
}

/** int, real, bool or text; undefined for what is no scalar. */
export function scalarType(val: Val): HostVal["type"] | undefined {
  if (val.kind === "host") return val.type;
  if (val.kind === "number") return Number.isInteger(val.value) ? "int" : "real";
  if (val.kind === "bool") return "bool";
  if (val.kind === "text") return "text";
  return undefined;
}
