import type { NamedType } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import { castTo, toTensor } from "./arithmetic.ts";
import { axisItems, renameAxes, showAxes, spreadTo } from "./axes.ts";
import type { CallNames } from "./callNames.ts";
import { fail } from "./failure.ts";
import { sizeOf } from "./sizes.ts";
import { axisName, bindValue, resolveType, showType, tensorDtype } from "./typeNodes.ts";
import { type AxisItem, describe, describeTensor, isNumeric, type NumericVal, plainAxis, type Val } from "./values.ts";

// The result of a call: checked against its declaration, then under the caller's names again.

export function finishResult(names: CallNames, result: Val, span: Span): Val {
  const { callee } = names;
  if (callee.result === null) return outside(names, result);
  const { type, scope } = resolveType(callee.result, callee.scope);
  if (type.kind !== "namedType" || tensorDtype(type) === undefined) return outside(names, bindValue(type, scope, result, span));
  if (!isNumeric(result))
    fail(
      "type/mismatch",
      span,
      { found: describe(result), expected: showType(type) },
      { related: [{ span: callee.result.span, label: "the declared result" }] },
    );
  return outside(names, checkResult(names, type, result, span));
}

function checkResult(names: CallNames, type: NamedType, result: NumericVal, span: Span): Val {
  const { session } = names.callee.scope;
  const expected = resultAxes(names, type, result);
  if (result.kind !== "tensor") {
    if (expected.length === 0) return result;
    return session.at(span, () => spreadTo(session.builder, toTensor(session, result, tensorDtype(type)!), expected, span));
  }
  const wanted = expected.map((a) => a.name);
  const related = [{ span: type.span, label: "the declared result" }];
  if (wanted.join() !== result.axes.join()) {
    const found = describeTensor(result);
    if (wanted.length === result.axes.length && wanted.every((name) => result.axes.includes(name))) {
      fail(
        "shape/axis-order",
        span,
        { found, expected: showAxes(expected) },
        { related, help: `\`order(x, [${wanted.map(plainAxis).join(", ")}])\` puts them in the declared order` },
      );
    }
    fail("shape/result-axes", span, { found, expected: showAxes(expected) }, { related });
  }
  expected.forEach((axis, i) => {
    const size = result.value.shape[i]!;
    if (axis.size !== null && axis.size !== size)
      fail(
        "shape/axis-mismatch",
        span,
        { axis: plainAxis(axis.name), left: size, right: axis.size },
        { related, label: describeTensor(result) },
      );
  });
  const dtype = tensorDtype(type)!;
  if (dtype === "i32" && result.value.dtype === "f32") {
    fail(
      "type/mismatch",
      span,
      { found: describeTensor(result), expected: showType(type) },
      { related, help: "`floor`, `ceil` or `round` make whole numbers" },
    );
  }
  return session.at(span, () => castTo(session, result, dtype));
}

/** What the declared result says; a row that no argument binds is whatever axes are left between the named ones. */
function resultAxes(names: CallNames, type: NamedType, result: NumericVal): AxisItem[] {
  const axes = type.axes ?? [];
  const scope = names.sizeScope;
  return axes.flatMap((axis, i): readonly AxisItem[] => {
    if (axis.kind === "rowAxis") {
      const row = names.rows.get(axis.name.name);
      if (row) return row;
      return result.kind === "tensor" ? axisItems(result).slice(i, result.axes.length - (axes.length - 1 - i)) : [];
    }
    if (axis.name === null && axis.value.kind === "name") {
      const spliced = names.axesValues.get(axis.value.name);
      if (spliced) return spliced;
    }
    const free = axis.value.kind === "name" && scope.lookupSize(axis.value.name) === undefined;
    return [{ name: axisName(axis), size: free ? null : sizeOf(axis.value, scope) }];
  });
}

/** A tap seen from outside of a call: its row axes under the caller's names. */
export function rowsOutside(names: CallNames, val: Val): Val {
  const rows = new Map(
    [...names.rows.values()].flatMap((row) => row.map((a): [string, string] => [a.name, names.toCaller.get(a.name) ?? a.name])),
  );
  switch (val.kind) {
    case "tensor": {
      const used = new Set(val.axes.filter((name) => !rows.has(name)));
      return renameAxes(val, new Map([...rows].filter(([, outer]) => !used.has(outer))));
    }
    case "list":
    case "tuple":
      return { kind: val.kind, items: val.items.map((item) => rowsOutside(names, item)) };
    case "record":
      return { kind: "record", fields: new Map([...val.fields].map(([k, v]) => [k, rowsOutside(names, v)])) };
    default:
      return val;
  }
}

/** Everything in a result under the caller's names again. */
function outside(names: CallNames, val: Val): Val {
  switch (val.kind) {
    case "tensor": {
      const back = new Map<string, string>();
      const used = new Set<string>();
      for (const name of val.axes) {
        const caller = names.toCaller.get(name) ?? name;
        const chosen = used.has(caller) ? name : caller;
        used.add(chosen);
        back.set(name, chosen);
      }
      return renameAxes(val, back);
    }
    case "list":
    case "tuple":
      return { kind: val.kind, items: val.items.map((item) => outside(names, item)) };
    case "record":
      return { kind: "record", fields: new Map([...val.fields].map(([k, v]) => [k, outside(names, v)])) };
    case "prompt":
      return { ...val, axes: val.axes.map((a) => ({ name: names.toCaller.get(a.name) ?? a.name, size: a.size })) };
    default:
      return val;
  }
}
