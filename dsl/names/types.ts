import type { Axis, Param, Signature, TypeItem, TypeNode } from "../ast.ts";
import { type Binding, bindingSpan, bindingWords } from "./binding.ts";
import type { NameContext } from "./context.ts";
import { resolveExpr } from "./expressions.ts";
import type { Scope } from "./scope.ts";

// Types: names of types, and the sizes and rows that a signature brings into scope. A size standing alone as an axis (`h`, `c: cin`) that is
// no number in sight is a size variable of the signature; in an arithmetic size (`h: 2 * h`) every name must be known.

/** Which enclosing sizes a signature does not share. A `fn` expression is instantiated at each use, so it shares none. */
export type Fresh = (binding: Binding) => boolean;
export const shared: Fresh = () => false;
export const ownSizes: Fresh = () => true;

/** Brings the size variables and rows of types into a scope, before the types themselves are resolved. */
export function collectSizes(types: readonly TypeNode[], scope: Scope, isFresh: Fresh, except: ReadonlySet<string> = new Set()): void {
  const collector: Collector = { scope, isFresh, except, aliases: new Set() };
  for (const type of types) collectFrom(type, collector);
}
interface Collector {
  readonly scope: Scope;
  readonly isFresh: Fresh;
  /** Names that are numbers of the signature itself. */
  readonly except: ReadonlySet<string>;
  readonly aliases: Set<TypeItem>;
}
function collectFrom(written: TypeNode, collector: Collector): void {
  switch (written.kind) {
    case "namedType": {
      for (const axis of written.axes ?? []) collectAxis(axis, collector);
      for (const arg of written.args) if (arg.value.kind !== "number") collectFrom(arg.value, collector);
      const named = collector.scope.value(written.name.name);
      if (named?.kind === "item" && named.item.kind === "type" && !collector.aliases.has(named.item)) {
        collector.aliases.add(named.item);
        collectFrom(named.item.type, collector);
      }
      return;
    }
    case "recordType":
      for (const field of written.fields) collectFrom(field.type, collector);
      return;
    case "tupleType":
      for (const element of written.elements) collectFrom(element, collector);
      return;
    case "error":
      return;
    default:
      written satisfies never;
  }
}
function collectAxis(axis: Axis, { scope, isFresh, except }: Collector): void {
  if (axis.kind === "rowAxis") {
    const { name, span } = axis.name;
    scope.bindRow(name, { kind: "row", name, span });
    return;
  }
  const { value } = axis;
  // `h: 1..9` of a `forall`: the axis is drawn, and its size is a number in the body.
  const sized = value.kind === "name" ? value : value.kind === "range" ? axis.name : null;
  if (!sized) return;
  const { name, span } = sized;
  if (!except.has(name) && !scope.size(name, isFresh)) scope.bindSize(name, { kind: "sizeVariable", name, span });
}

/** The types of parameters, then the parameters themselves, then the result. Sizes must have been collected. */
export function resolveParams(ctx: NameContext, params: readonly Param[], scope: Scope): void {
  const seen = new Map<string, Param["name"]>();
  for (const param of params) {
    resolveType(ctx, param.type, scope);
    ctx.isFirst(seen, param.name);
    if (param.default) resolveExpr(ctx, param.default, scope);
  }
}
export function bindParams(ctx: NameContext, params: readonly Param[], scope: Scope): void {
  for (const param of params) {
    const binding: Binding = { kind: "param", param };
    scope.bind(param.name.name, binding);
    ctx.set(param.name, binding);
  }
}
/** Everything a signature brings into the scope of its body. */
export function resolveSignature(ctx: NameContext, signature: Signature, scope: Scope, isFresh: Fresh = shared): void {
  bindParams(ctx, signature.params, scope);
  collectSizes([...signature.params.map((param) => param.type), signature.result], scope, isFresh);
  resolveParams(ctx, signature.params, scope);
  resolveType(ctx, signature.result, scope);
}

export function resolveType(ctx: NameContext, written: TypeNode, scope: Scope): void {
  switch (written.kind) {
    case "namedType": {
      const found = typeNamed(written.name.name, scope);
      if (found) {
        ctx.set(written.name, found);
        if (!isType(found)) {
          const declared = bindingSpan(found);
          const related = declared ? [{ span: declared, label: "defined here" }] : [];
          ctx.report("name/not-a-type", written.name.span, { name: written.name.name, kind: bindingWords(found) }, { related });
        }
      } else ctx.unknown(written.name, () => scope.valueNames());
      for (const arg of written.args) if (arg.value.kind !== "number") resolveType(ctx, arg.value, scope);
      for (const axis of written.axes ?? []) resolveTypeAxis(ctx, axis, scope);
      return;
    }
    case "recordType": {
      const seen = new Map<string, Param["name"]>();
      for (const field of written.fields) {
        ctx.isFirst(seen, field.name);
        resolveType(ctx, field.type, scope);
      }
      return;
    }
    case "tupleType":
      for (const element of written.elements) resolveType(ctx, element, scope);
      return;
    case "error":
      return;
    default:
      written satisfies never;
  }
}

/** A type's name is looked up past locals and sizes that happen to be called the same. */
function typeNamed(name: string, scope: Scope): Binding | undefined {
  const nearest = scope.value(name);
  if (nearest === undefined || isType(nearest)) return nearest;
  return scope.typeValue(name) ?? nearest;
}
function isType(binding: Binding): boolean {
  if (binding.kind === "builtin") return binding.builtin.kind === "type";
  return binding.kind === "item" && (binding.item.kind === "type" || binding.item.kind === "module");
}

function resolveTypeAxis(ctx: NameContext, axis: Axis, scope: Scope): void {
  if (axis.kind === "rowAxis") {
    ctx.use(axis.name, scope.row(axis.name.name), scope, () => scope.rowNames());
    return;
  }
  if (axis.value.kind !== "name") {
    resolveExpr(ctx, axis.value, scope);
    return;
  }
  // `real[axes]` with a parameter `axes: Axes` means those axes.
  const value = scope.value(axis.value.name);
  const isAxes = value?.kind === "param" && value.param.type.kind === "namedType" && value.param.type.name.name === "Axes";
  ctx.use(axis.value, isAxes ? value : scope.size(axis.value.name), scope);
}
