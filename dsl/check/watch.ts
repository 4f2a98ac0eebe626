import type { PathSegment, TapStmt, WatchExpr } from "../ast.ts";
import { meant } from "../nearest.ts";
import type { Span } from "../span.ts";
import { anySize, constantOf, constantSize, type Size, substituteSize, wholeOf } from "../types/size.ts";
import {
  type AxisItem,
  axisKey,
  describeType,
  errorType,
  isSilent,
  mapType,
  type TappedType,
  type Type,
  unknownType,
} from "../types/type.ts";
import { walk } from "../walk.ts";
import { evaluate, forgotten } from "./expressions.ts";
import { join } from "./join.ts";
import { type ModuleInfo, memberOf, moduleInfo, moduleMap } from "./modules.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";

// `m(x) watch { paths as layers }`: `{ value, layers }`. A path names parts of the called model; each element offers its taps and its parts. A
// tap has the axes it has in its module; its row is the caller's where all calls between them hand the row on, and any axes otherwise.

interface Found {
  readonly types: Type[];
  /** Which and how many parts there are is known. */
  isKnown: boolean;
}

export function watchType(expr: WatchExpr, scope: Scope): Type {
  const { session } = scope;
  const value = evaluate(expr.base, scope);
  if (expr.base.kind !== "call") {
    if (!isSilent(value))
      session.report("type/mismatch", expr.base.span, {
        found: "no call",
        expected: "a call of a model, as in `unet(x) watch { mid as layers }`,",
      });
    return errorType;
  }
  const callee = evaluate(expr.base.callee, scope);
  const layers = watched(expr, callee, scope);
  if (layers.kind === "error") return errorType;
  return {
    kind: "record",
    name: null,
    fields: new Map([
      ["value", value],
      [expr.as.name, layers],
    ]),
  };
}

function watched(expr: WatchExpr, callee: Type, scope: Scope): Type {
  const { session } = scope;
  if (isSilent(callee)) return unknownType;
  if (callee.kind !== "module") {
    const at = expr.base.kind === "call" ? expr.base.callee.span : expr.base.span;
    session.report("type/mismatch", at, { found: describeType(callee), expected: "a model, the parts of which can be watched," });
    return errorType;
  }
  const found: Found = { types: [], isKnown: true };
  for (const path of expr.paths) {
    let at: readonly Type[] = [callee];
    for (const segment of path.segments) at = at.flatMap((type) => step(type, segment, found, scope));
    for (const type of at) if (!collect(type, path.span, found, session)) return errorType;
  }
  if (found.types.some((t) => t.kind === "error")) return errorType;
  const rows = session.rowsOfCall(expr.base.span);
  const elements = found.types.map((type): Type => (type.kind === "module" ? { kind: "tapped", part: type, rows } : unknownType));
  const element = elements.length === 0 ? unknownType : elements.reduce((a, b) => join(session, a, b, anySize()));
  return {
    kind: "list",
    element: elements.length > 1 ? forgotten(element) : element,
    elements: found.isKnown ? elements : null,
    length: found.isKnown ? constantSize(elements.length) : anySize(),
  };
}
/** The parts that a path ends at; false after reporting what is none. */
function collect(type: Type, span: Span, found: Found, session: Session): boolean {
  switch (type.kind) {
    case "module":
    case "error":
      found.types.push(type);
      return true;
    case "unknown":
      found.types.push(type);
      found.isKnown = false;
      return true;
    case "none":
      return true;
    case "optional": {
      const present = constantOf(session.unifier.size(type.present));
      if (present?.n === 0n) return true;
      if (present === undefined) found.isKnown = false;
      return collect(type.of, span, found, session);
    }
    case "list":
      if (type.elements === null) found.isKnown = false;
      return (type.elements ?? [type.element]).every((element) => collect(element, span, found, session));
    default:
      session.report("type/mismatch", span, { found: describeType(type), expected: "a path that names parts" });
      return false;
  }
}

function step(type: Type, segment: PathSegment, found: Found, scope: Scope): readonly Type[] {
  const { head } = segment;
  switch (head.kind) {
    case "name":
      return segment.indices.reduce(
        (now: readonly Type[], index) => now.flatMap((one) => indexed(one, index, found, scope)),
        [memberAt(type, head.name, segment.span, scope)],
      );
    case "oneOf":
      return head.paths.flatMap((path) =>
        path.segments.reduce((now: readonly Type[], s) => now.flatMap((t) => step(t, s, found, scope)), [type]),
      );
    case "any": {
      if (type.kind !== "module") break;
      const names = type.item.members.flatMap((m) => (m.kind === "part" ? [m.path[0]!.name] : []));
      return names.map((name) => memberAt(type, name, segment.span, scope));
    }
    case "deep":
      break;
    default:
      head satisfies never;
  }
  found.isKnown = false;
  return [unknownType];
}
function memberAt(type: Type, name: string, span: Span, scope: Scope): Type {
  if (type.kind === "module") return memberOf(type, name, span, scope);
  if (type.kind === "optional") return memberAt(type.of, name, span, scope);
  if (isSilent(type)) return type;
  const field = type.kind === "record" ? type.fields.get(name) : undefined;
  if (field) return field;
  scope.session.report("type/no-field", span, { what: describeType(type), name });
  return errorType;
}
function indexed(type: Type, index: PathSegment["indices"][number], found: Found, scope: Scope): readonly Type[] {
  const { session } = scope;
  if (type.kind === "optional") return indexed(type.of, index, found, scope);
  if (isSilent(type)) return [type];
  if (type.kind !== "list") {
    session.report("type/mismatch", index.span, { found: describeType(type), expected: "a list of parts" });
    return [errorType];
  }
  const { elements } = type;
  const at = index.value ? evaluate(index.value, scope) : null;
  const whole = (size: Size) => wholeOf(session.unifier.size(size));
  if (elements !== null) {
    if (at === null) return elements;
    const place = (n: number) => (n < 0 ? n + elements.length : n);
    const outside = (n: number): readonly Type[] => {
      session.report("index/out-of-range", index.span, { index: n, size: elements.length });
      return [errorType];
    };
    if (at.kind === "range") {
      const [from, to] = [whole(at.from), at.to === null ? elements.length : whole(at.to)];
      if (from !== undefined && to !== undefined) {
        if (place(from) < 0 || place(to) > elements.length) return outside(to);
        return elements.slice(place(from), place(to));
      }
    } else if (at.kind === "int") {
      const n = whole(at.value);
      const element = n === undefined ? undefined : elements[place(n)];
      if (n !== undefined) return element ? [element] : outside(n);
    }
  }
  found.isKnown = false;
  return [type.element];
}

// ---- what an element offers ----------------------------------------------------------------------------------------------------------
/** The taps of a module's own bodies, as they are in it. */
function tapsOf(session: Session, info: ModuleInfo): ReadonlyMap<string, Type> {
  return session.once(info.item, "taps", new Map<string, Type>(), () => {
    const taps = new Map<string, Type>();
    walk(info.item, (node) => {
      if (node.kind !== "tap") return undefined;
      const { name, value } = node as TapStmt;
      taps.set(name.name, session.types.get(value) ?? unknownType);
      return undefined;
    });
    return taps;
  });
}

/** A field of a watched part: a tap, or a part of it. */
export function tappedField(tapped: TappedType, name: string, span: Span, scope: Scope): Type {
  const { session } = scope;
  const { part, rows } = tapped;
  const info = moduleInfo(session, part.item, part.file);
  if (!info) return unknownType;
  const taps = tapsOf(session, info);
  const tap = taps.get(name);
  if (tap) return outside(session, info, tap, tapped);
  const declared = part.item.members.some((m) => m.kind === "part" && m.path[0]!.name === name);
  const inner = declared ? memberOf(part, name, span, scope) : undefined;
  const where = `\`${part.item.name.name}\``;
  if (inner?.kind === "optional" && constantOf(session.unifier.size(inner.present))?.n === 0n) {
    session.report("tap/missing", span, { part: where, name }, { label: "this part is absent here" });
    return errorType;
  }
  if (inner) return through(inner, rows);
  const known = [...taps.keys(), ...part.item.members.flatMap((m) => (m.kind === "part" ? [m.path[0]!.name] : []))];
  const all = known.length === 0 ? undefined : `it has ${known.map((k) => `\`${k}\``).join(", ")}`;
  const related = [{ span: part.item.name.span, label: "the part's module" }];
  session.report("tap/missing", span, { part: where, name }, { related, ...meant(name, known, span, all) });
  return errorType;
}
function through(type: Type, rows: TappedType["rows"]): Type {
  switch (type.kind) {
    case "module":
      return { kind: "tapped", part: type, rows };
    case "optional":
      return { ...type, of: through(type.of, rows) };
    case "list":
      return { ...type, element: through(type.element, rows), elements: type.elements?.map((t) => through(t, rows)) ?? null };
    case "record":
      return { ...type, fields: new Map([...type.fields].map(([name, t]) => [name, through(t, rows)])) };
    default:
      return type;
  }
}
/** A tap's type as the caller sees it: sizes of the instance, the caller's row. */
function outside(session: Session, info: ModuleInfo, tap: Type, { part, rows }: TappedType): Type {
  const { unifier } = session;
  const map = moduleMap(session, part);
  const unknown = (size: Size) =>
    substituteSize(unifier.size(map.size(size)), {
      variable: (v) => (info.declared.own.has(v.id) || v.kind === "open" ? anySize() : undefined),
      flag: (id) => (info.declared.own.has(id) ? anySize() : undefined),
    });
  const handsOn = !session.hasOwnRows(part.item);
  const type = mapType(unifier.type(tap), {
    size: unknown,
    row: (row): readonly AxisItem[] =>
      (handsOn ? rows.get(row.name) : undefined) ?? [{ kind: "row", row: unifier.freshRow(row.name, "loose") }],
  });
  if (type.kind !== "tensor") return type;
  return new Set(type.axes.map(axisKey)).size < type.axes.length ? unknownType : type;
}
