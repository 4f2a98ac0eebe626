import type { Span } from "../../dsl/span.ts";
import type { HostExpr } from "../plan/host.ts";
import { matchArguments } from "./arguments.ts";
import { argumentValue, type CallArg } from "./calls.ts";
import { evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import { fromHost, hostIf, hostOp, toHost } from "./hostExpr.ts";
import type { Session } from "./session.ts";
import { describe, isScalar, type ScalarVal, type ScheduleItemVal, type ScheduleVal, type Val } from "./values.ts";

// Schedules are pure functions of the update, lowered to arithmetic: `constant(1) for 600 then linear(1 -> 0.1) to end`.

/** A schedule as it is, an item without arguments applied, a number as a schedule that never changes. */
export function scheduleOf(val: Val, span: Span): ScheduleVal {
  if (val.kind === "schedule") return val;
  if (val.kind === "scheduleItem") return scheduleFromItem(val, [], span);
  if (isScalar(val) && val.kind !== "text") {
    const expr = toHost(val);
    return { kind: "schedule", at: () => expr };
  }
  fail("type/mismatch", span, { found: describe(val), expected: "a schedule or a number" });
}

/** Applies a `schedule` item: its spans follow one another, the last reaches to the end. */
export function scheduleFromItem(schedule: ScheduleItemVal, args: readonly CallArg[], span: Span): ScheduleVal {
  const { item } = schedule;
  const { session } = schedule.scope;
  const given = matchArguments(
    item.name.name,
    item.params.map((p) => ({ name: p.name.name })),
    args,
    span,
  );
  return session.inBody("compile", [], () => {
    let scope = schedule.scope;
    for (const param of item.params) {
      const arg = given.get(param.name.name);
      const value = arg ? argumentValue(arg) : param.default ? evaluate(param.default, scope) : undefined;
      if (value === undefined) fail("call/missing-argument", span, { callee: item.name.name, name: param.name.name });
      scope = scope.with(param.name.name, value);
    }
    const spans = item.spans.map((one, i) => {
      const length = one.length === null ? null : evaluate(one.length, scope);
      if (length !== null && !isScalar(length))
        fail("type/mismatch", one.length!.span, { found: describe(length), expected: "a number of updates" });
      if (length === null && i < item.spans.length - 1)
        fail("type/mismatch", one.span, { found: "a span without a length", expected: "`for N` before `then`" });
      return {
        shape: scheduleOf(evaluate(one.value, scope), one.value.span),
        length: length === null ? null : toHost(length as ScalarVal),
      };
    });
    const at = (update: HostExpr, total: HostExpr): HostExpr => {
      const from = (i: number, local: HostExpr, left: HostExpr): HostExpr => {
        const { shape, length } = spans[i]!;
        const own = shape.at(local, length ?? left);
        if (length === null || i === spans.length - 1) return own;
        return hostIf(hostOp("lt", local, length), own, from(i + 1, hostOp("sub", local, length), hostOp("sub", left, length)));
      };
      return from(0, update, total);
    };
    return { kind: "schedule", at } as const;
  }).value;
}

/** The number of a schedule at an update. */
export function applySchedule(session: Session, schedule: ScheduleVal, update: HostExpr): ScalarVal {
  return fromHost(schedule.at(update, session.totalUpdates), "real");
}

/** Schedules multiply and add, with each other and with numbers. */
export function combineSchedules(op: "*" | "+", left: Val, right: Val, span: Span): ScheduleVal {
  const [a, b] = [scheduleOf(left, span), scheduleOf(right, span)];
  return { kind: "schedule", at: (update, total) => hostOp(op === "*" ? "mul" : "add", a.at(update, total), b.at(update, total)) };
}
