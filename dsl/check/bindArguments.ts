import type { Span } from "../span.ts";
import { flagTest, type Size, substituteSize, variableSize, variablesOf } from "../types/size.ts";
import { type AxisItem, isSilent, mapType, type RowVar, type Type, type TypeMap } from "../types/type.ts";
import { argType, axesArg, type CallArg, matchParams } from "./arguments.ts";
import { axesOf } from "./axes.ts";
import { evaluate } from "./expressions.ts";
import type { ParamInfo } from "./functions.ts";
import { assign, CallState, closeRows } from "./match.ts";
import { reportMismatch } from "./mismatch.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import type { Declared } from "./typeNodes.ts";

// Binding: each argument against its parameter, with the callee's variables replaced by new open ones that unification settles.

export interface Callee {
  readonly name: string;
  readonly params: readonly ParamInfo[];
  readonly declared: Declared;
  readonly perElement: ReadonlySet<string>;
  readonly outer?: Scope;
  /** Sizes left out must follow from the other arguments of the same call. */
  readonly solvesDims?: boolean;
}
export interface Bound {
  readonly state: CallState;
  readonly map: TypeMap;
  /** Types of the parameters inside, as far as the arguments settle them. */
  readonly inner: ReadonlyMap<string, Type>;
  readonly given: ReadonlyMap<string, Type>;
  readonly failed: boolean;
  readonly vague: boolean;
  /** Rows that an argument which is not followed might have made longer. */
  readonly unsettledRows: ReadonlySet<string>;
  /** Sizes that only this call knows. */
  readonly made: ReadonlySet<string>;
}

/** The replacement of a callee's variables by new open ones, whose ids are added to `made`. */
function openMap(session: Session, declared: Declared, made: Set<string>): TypeMap {
  const { unifier } = session;
  const sizes = new Map<string, Size>();
  const flags = new Map<string, Size>();
  const rows = new Map<string, RowVar>();
  return {
    size: (size) =>
      substituteSize(size, {
        variable: (v) => {
          if (!declared.own.has(v.id)) return undefined;
          const known = sizes.get(v.id);
          if (known) return known;
          const fresh = unifier.fresh(v.name, "open");
          made.add(fresh.id);
          sizes.set(v.id, variableSize(fresh));
          return variableSize(fresh);
        },
        flag: (id) => {
          if (!declared.own.has(id)) return undefined;
          const text = id.slice(0, id.lastIndexOf("#"));
          const known = flags.get(id) ?? flagTest(unifier.freshFlag(text).id, text);
          flags.set(id, known);
          return known;
        },
      }),
    row: (row): readonly AxisItem[] => {
      if (!declared.own.has(row.id)) return [{ kind: "row", row }];
      const known = rows.get(row.id) ?? unifier.freshRow(row.name, "open");
      rows.set(row.id, known);
      return [{ kind: "row", row: known }];
    },
  };
}

/** Gives arguments to parameters and reports what does not suit. */
export function bindArguments(callee: Callee, instance: TypeMap | null, args: readonly CallArg[], span: Span, scope: Scope): Bound {
  const { session } = scope;
  const { unifier } = session;
  let strange = false;
  const matched = matchParams(
    callee.name,
    callee.params.map((p) => p.name),
    args,
    session,
    () => {
      strange = true;
    },
  );
  const made = new Set<string>();
  const own = openMap(session, callee.declared, made);
  // What belongs to the instance comes first; the rest is the call's own.
  const map: TypeMap = instance ? { size: (s) => own.size(instance.size(s)), row: own.row } : own;
  const perElement = new Set<string>();
  for (const param of callee.params) {
    if (callee.perElement.size === 0 || param.type.kind !== "list") continue;
    mapType(param.type, {
      size: (size) => {
        for (const v of substituted(size, callee.perElement, map)) perElement.add(v);
        return size;
      },
      row: (row) => {
        if (callee.perElement.has(row.id)) for (const item of map.row(row)) if (item.kind === "row") perElement.add(item.row.id);
        return [{ kind: "row", row }];
      },
    });
  }
  const state = new CallState(session, perElement);
  const wants = new Map(callee.params.map((p) => [p.name, mapType(p.type, map)]));
  const given = new Map<string, Type>();
  const omitted: ParamInfo[] = [];
  // What a misspelt argument was to say is not known: nothing follows from the rest.
  let failed = strange;
  let vague = false;
  const unsettledRows = new Set<string>();
  const shaped = ({ type }: ParamInfo) => Number(["tensor", "optional", "list", "record"].includes(type.kind));
  const ranked = [...callee.params].sort((a, b) => shaped(a) - shaped(b));
  for (const param of callee.params) {
    const arg = matched.get(param.name);
    if (arg) given.set(param.name, param.type.kind === "axes" ? axesArg(arg) : argType(arg));
  }
  for (const param of ranked) {
    const arg = matched.get(param.name);
    const want = wants.get(param.name)!;
    if (!arg) {
      if (param.default) {
        const written = param.default;
        const place = callee.outer ?? scope;
        const type = session.quietly(
          (): Type => (param.type.kind === "axes" ? { kind: "axes", axes: axesOf(written, place) } : evaluate(written, place)),
        );
        assign(state, want, mapType(type, map));
        if (param.type.kind !== "int" && param.type.kind !== "bool") given.set(param.name, mapType(type, map));
      } else if (want.kind === "optional") assign(state, want, { kind: "none" });
      else if (param.node.kind === "namedType" && param.node.name.name === "Dim") omitted.push(param);
      else {
        // A misspelt argument is one mistake, not two.
        if (!strange) reportMissing(session, callee.name, param.name, span, param.span);
        failed = true;
      }
      continue;
    }
    const have = given.get(param.name)!;
    if (have.kind === "error") failed = true;
    if (isSilent(have) || (have.kind === "prompt" && have.axes === null)) {
      vague = true;
      mapType(want, {
        size: (size) => size,
        row: (row) => {
          unsettledRows.add(row.id);
          return [{ kind: "row", row }];
        },
      });
    }
    const problem = assign(state, want, have);
    if (!problem) continue;
    failed = true;
    reportMismatch(session, problem, { span: arg.span, have, want, name: param.name, declaredAt: param.span, callee: callee.name });
  }
  if (!failed && !vague && callee.solvesDims) {
    for (const param of omitted) {
      const want = wants.get(param.name)!;
      if (want.kind !== "int" || !variablesOf(unifier.size(want.value)).some((v) => v.kind === "open")) continue;
      const help = `say it in the call: \`${callee.name}(…, ${param.name}: 4)\``;
      session.report("shape/not-determined", span, { size: param.name }, { help, related: [{ span: param.span, label: "declared here" }] });
      failed = true;
    }
  }
  for (const want of wants.values()) if (!vague) closeRows(unifier, want, state.rows);
  const inner = new Map<string, Type>();
  for (const [name, type] of given) if (type.kind === "axes") given.set(name, unifier.type(type));
  for (const param of callee.params) {
    const want = unifier.type(wants.get(param.name)!);
    const have = given.get(param.name);
    const keepGiven =
      have && (["list", "axes", "module", "unknown", "realNumber", "prompt", "textValue"].includes(param.type.kind) || isSilent(have));
    inner.set(param.name, keepGiven ? have : want.kind === "optional" && have?.kind === "none" ? have : want);
  }
  return { state, map, inner, given, failed, vague, unsettledRows, made };
}
function substituted(size: Size, ids: ReadonlySet<string>, map: TypeMap): string[] {
  const found: string[] = [];
  substituteSize(size, {
    variable: (v) => {
      if (ids.has(v.id)) substituteSize(map.size(variableSize(v)), { variable: (w) => void found.push(w.id) as undefined });
      return undefined;
    },
  });
  return found;
}

/** Reports an argument that is not there. */
export function reportMissing(session: Session, callee: string, name: string, span: Span, there: Span): void {
  session.report(
    "call/missing-argument",
    span,
    { callee, name },
    { related: [{ span: there, label: "declared here, without a default" }] },
  );
}
