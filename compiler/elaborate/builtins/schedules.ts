import type { HostExpr } from "../../plan/host.ts";
import { fail } from "../failure.ts";
import { hostIf, hostNumber, hostOp, toHost } from "../hostExpr.ts";
import { scheduleOf } from "../schedules.ts";
import { describe, isScalar, type Val } from "../values.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// Shapes of schedules: functions of the update within a span of so many updates.

const pi = hostNumber(Math.PI);

/** How far into its span an update is, 0 to 1. */
function share(update: HostExpr, total: HostExpr): HostExpr {
  return hostOp("min", hostNumber(1), hostOp("max", hostNumber(0), hostOp("div", update, hostOp("max", total, hostNumber(1e-9)))));
}

function ends(c: BuiltinCall): { readonly a: HostExpr; readonly b: HostExpr } {
  const path = c.value("values");
  if (path.kind !== "range" || !path.arrow || path.to === null) return c.mismatch("values", "`from -> to`");
  const [from, to] = [path.from, path.to];
  for (const end of [from, to])
    if (!isScalar(end)) fail("type/mismatch", c.spanOf("values"), { found: describe(end), expected: "a number" });
  return { a: toHost(from as Extract<Val, { kind: "number" }>), b: toHost(to as Extract<Val, { kind: "number" }>) };
}

const mix = (a: HostExpr, b: HostExpr, t: HostExpr) => hostOp("add", a, hostOp("mul", hostOp("sub", b, a), t));

export const scheduleRows: Readonly<Record<string, BuiltinRow>> = {
  constant: {
    params: ["value"],
    run: (c) => {
      const value = c.value("value");
      return isScalar(value) ? { kind: "schedule", at: () => toHost(value) } : c.mismatch("value", "a number");
    },
  },
  linear: {
    params: ["values"],
    run: (c) => {
      const { a, b } = ends(c);
      return { kind: "schedule", at: (update, total) => mix(a, b, share(update, total)) };
    },
  },
  cosine: {
    params: ["values"],
    run: (c) => {
      const { a, b } = ends(c);
      const half = (t: HostExpr) => hostOp("div", hostOp("sub", hostNumber(1), hostOp("cos", hostOp("mul", pi, t))), hostNumber(2));
      return { kind: "schedule", at: (update, total) => mix(a, b, half(share(update, total))) };
    },
  },
  polynomial: {
    params: ["values", "power"],
    run: (c) => {
      const { a, b } = ends(c);
      const power = hostNumber(c.compile("power"));
      return {
        kind: "schedule",
        at: (update, total) => mix(b, a, hostOp("pow", hostOp("sub", hostNumber(1), share(update, total)), power)),
      };
    },
  },
  /** `piecewise([(0, 1), (1000, 0.1)])`: each value from its update on. */
  piecewise: {
    params: ["points"],
    run: (c) => {
      const points = c.items("points").map((point) => {
        const [from, value] = point.kind === "tuple" ? point.items : [];
        if (from === undefined || value === undefined || !isScalar(from) || !isScalar(value))
          return c.mismatch("points", "pairs (update, value)");
        return { from: toHost(from), value: toHost(value) };
      });
      if (points.length === 0) return c.mismatch("points", "pairs (update, value)");
      return {
        kind: "schedule",
        at: (update) => points.slice(1).reduce((before, p) => hostIf(hostOp("le", p.from, update), p.value, before), points[0]!.value),
      };
    },
  },
  /** Starts again every `length` updates. */
  cycle: {
    params: ["schedule", "length"],
    run: (c) => {
      const inner = scheduleOf(c.value("schedule"), c.spanOf("schedule"));
      const length = hostNumber(c.compile("length"));
      return { kind: "schedule", at: (update) => inner.at(hostOp("mod", update, length), length) };
    },
  },
};
