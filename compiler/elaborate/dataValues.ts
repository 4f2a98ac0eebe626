import type { Span } from "../../dsl/span.ts";
import type { PlanDataValue } from "../plan/plan.ts";
import { fail } from "./failure.ts";
import { type DataVal, describe, type Val } from "./values.ts";

// Expressions of a data set as plain data: what the runtime does with files, told by the names of its functions.

/** A value of a data set, or a known value, as plain data. */
export function dataOf(val: Val, span: Span): PlanDataValue {
  switch (val.kind) {
    case "data":
      return val.value;
    case "number":
    case "bool":
    case "text":
      return val.value;
    case "none":
      return null;
    case "list":
    case "tuple":
      return val.items.map((item) => dataOf(item, span));
    case "range":
      return { call: "range", args: { from: dataOf(val.from, span), to: val.to === null ? null : dataOf(val.to, span) } };
    case "itemFact":
      return { call: val.fact, args: {} };
    case "picture":
      return pictureData(val);
    case "distribution":
      if (val.source?.kind === "data") return val.source.value;
      return fail("type/mismatch", span, { found: describe(val), expected: "a drawn function of the data set" });
    default:
      return fail("type/mismatch", span, { found: describe(val), expected: "a value that a data set can hold" });
  }
}

/** A picture that has been described so far, as calls. */
function pictureData(val: Extract<Val, { kind: "picture" }>): PlanDataValue {
  let value: PlanDataValue = { call: "load", args: { file: val.file === "image" ? { call: "file", args: {} } : "{stem}_mask.png" } };
  if (val.size) value = { call: "resize_to", args: { x: value, size: [...val.size] } };
  const [low, high] = val.range;
  return low === 0 && high === 1
    ? value
    : { call: "to_range", args: { x: value, range: { call: "range", args: { from: low, to: high } } } };
}

/** A call that the runtime makes. */
export function dataCall(name: string, args: Readonly<Record<string, Val>>, span: Span): DataVal {
  return {
    kind: "data",
    value: { call: name, args: Object.fromEntries(Object.entries(args).map(([key, value]) => [key, dataOf(value, span)])) },
  };
}
