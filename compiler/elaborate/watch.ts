import type { PartPath, PathSegment, WatchExpr } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import { evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import type { Instance } from "./instance.ts";
import { instancesIn, memberOf } from "./modules.ts";
import type { Scope } from "./scope.ts";
import { compileNumber } from "./sizes.ts";
import { describe, list, type TapLog, type TappedVal, type Val } from "./values.ts";

// `m(x) watch { paths as layers }`: runs the call with open ears and gives `{ value, layers }`. A path names parts of the called model, in the
// order given; each element offers its parts and the taps below it as fields. What nobody reads is in no graph, so watching costs nothing.

export function watchValue(expr: WatchExpr, scope: Scope): Val {
  const { session } = scope;
  const outer = session.taps;
  session.taps = new Map();
  try {
    const callee = calleeOf(expr, scope);
    const value = evaluate(expr.base, scope);
    const taps: TapLog = session.taps;
    const layers = expr.paths
      .flatMap((path) => partsAt([callee], path.segments, path, scope))
      .map((instance): TappedVal => ({ kind: "tapped", instance, taps }));
    return {
      kind: "record",
      fields: new Map<string, Val>([
        ["value", value],
        [expr.as.name, list(layers)],
      ]),
    };
  } finally {
    for (const [instance, found] of session.taps) outer?.set(instance, found);
    session.taps = outer;
  }
}

/** The model that is called; its parts are what the paths name. */
function calleeOf(expr: WatchExpr, scope: Scope): Val {
  const { base } = expr;
  if (base.kind === "call") {
    const callee = evaluate(base.callee, scope);
    if (callee.kind === "instance") return callee;
    fail("type/mismatch", base.callee.span, { found: describe(callee), expected: "a model, whose parts can be watched" });
  }
  return fail("type/mismatch", base.span, { found: "this expression", expected: "a call of a model: `unet(x) watch { mid as layers }`" });
}

/** The instances that a path names. */
function partsAt(from: readonly Val[], segments: readonly PathSegment[], path: PartPath, scope: Scope): Instance[] {
  let at = from;
  for (const segment of segments) at = at.flatMap((value) => step(value, segment, path, scope));
  return at.flatMap((value) => flatInstances(value, path.span));
}

function flatInstances(value: Val, span: Span): Instance[] {
  if (value.kind === "instance") return [value.instance];
  if (value.kind === "list") return value.items.flatMap((item) => flatInstances(item, span));
  if (value.kind === "none") return [];
  return fail("type/mismatch", span, { found: describe(value), expected: "a path that names parts" });
}

function step(value: Val, segment: PathSegment, path: PartPath, scope: Scope): readonly Val[] {
  const { head } = segment;
  switch (head.kind) {
    case "name":
      return segment.indices.reduce(
        (now: readonly Val[], index) => now.flatMap((one) => indexed(one, index, scope)),
        [member(value, head.name, segment.span)],
      );
    case "oneOf":
      return head.paths.flatMap((one) =>
        one.segments.reduce((now: readonly Val[], s) => now.flatMap((v) => step(v, s, path, scope)), [value]),
      );
    case "any":
      if (value.kind !== "instance") return fail("type/mismatch", segment.span, { found: describe(value), expected: "a part" });
      return value.instance.module.members.flatMap((m) => (m.kind === "part" ? [member(value, m.path[0]!.name, segment.span)] : []));
    case "deep":
      return [...instancesIn(value)].map((instance): Val => ({ kind: "instance", instance }));
  }
}

function member(value: Val, name: string, span: Span): Val {
  if (value.kind === "instance") return memberOf(value.instance, name, span);
  const found = value.kind === "record" ? value.fields.get(name) : undefined;
  return found ?? fail("type/no-field", span, { what: describe(value), name });
}

function indexed(value: Val, index: PathSegment["indices"][number], scope: Scope): readonly Val[] {
  if (value.kind !== "list") return fail("type/mismatch", index.span, { found: describe(value), expected: "a list of parts" });
  if (index.value === null) return value.items;
  const at = evaluate(index.value, scope);
  const place = (n: number) => (n < 0 ? n + value.items.length : n);
  if (at.kind === "range") {
    const from = place(compileNumber(at.from, index.span, scope, "an index"));
    const to = at.to === null ? value.items.length : place(compileNumber(at.to, index.span, scope, "an index"));
    if (from < 0 || to > value.items.length) fail("index/out-of-range", index.span, { index: to, size: value.items.length });
    return value.items.slice(from, to);
  }
  const i = compileNumber(at, index.span, scope, "an index");
  const item = value.items[place(i)];
  return item === undefined ? fail("index/out-of-range", index.span, { index: i, size: value.items.length }) : [item];
}

/** A field of a watched part: a tap, or a part of it. */
export function tappedField(tapped: TappedVal, name: string, span: Span): Val {
  const { instance, taps } = tapped;
  const tap = taps.get(instance)?.get(name);
  if (tap) return tap;
  const declared = instance.module.members.some((m) => m.kind === "part" && m.path[0]!.name === name);
  const part = declared ? memberOf(instance, name, span) : undefined;
  const where = `\`${instance.path ?? instance.module.name.name}\``;
  if (part?.kind === "none") fail("tap/missing", span, { part: where, name }, { label: "this part is absent here" });
  if (part) return through(part, taps);
  const known = [
    ...(taps.get(instance)?.keys() ?? []),
    ...instance.module.members.flatMap((m) => (m.kind === "part" ? [m.path[0]!.name] : [])),
  ];
  const near = nearest(name, known);
  return fail(
    "tap/missing",
    span,
    { part: where, name },
    {
      related: [{ span: instance.module.name.span, label: "the part's module" }],
      ...(near
        ? { help: `did you mean \`${near}\`?` }
        : known.length > 0
          ? { help: `it has ${known.map((k) => `\`${k}\``).join(", ")}` }
          : {}),
    },
  );
}

function through(part: Val, taps: TapLog): Val {
  if (part.kind === "instance") return { kind: "tapped", instance: part.instance, taps };
  if (part.kind === "list") return list(part.items.map((item) => through(item, taps)));
  if (part.kind === "record") return { kind: "record", fields: new Map([...part.fields].map(([k, v]) => [k, through(v, taps)])) };
  return part;
}
