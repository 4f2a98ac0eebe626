import { existsSync } from "node:fs";
import path from "node:path";
import type { FnItem, TypeNode } from "../../dsl/ast.ts";
import { loadHostModule } from "../../dsl/host/run.ts";
import type { HostFunction } from "../../dsl/host/signatures.ts";
import type { Span } from "../../dsl/span.ts";
import type { HostExpr } from "../plan/host.ts";
import { matchArguments } from "./arguments.ts";
import { argumentValue, type CallArg } from "./calls.ts";
import { fail } from "./failure.ts";
import { fromHost, hostConstant, toHost } from "./hostExpr.ts";
import { itemFact } from "./itemPictures.ts";
import { bool, describe, type HostVal, isScalar, list, none, number, text, type Val } from "./values.ts";

// Calls of host functions: TypeScript of the project, run while compiling. Arguments are plain values known then; the result must be what the
// signature says. Nothing of it stays in a graph but the values.

/** Calls a host function with the arguments of a call; in a data set, with what is known of an item, the runtime calls it for each item. */
export function callHost(item: FnItem, host: HostFunction, args: readonly CallArg[], span: Span, inDataset: boolean): Val {
  const name = item.name.name;
  const { params, result } = item.signature;
  const matched = matchArguments(
    name,
    params.map((param) => ({ name: param.name.name })),
    args,
    span,
  );
  if (inDataset && [...matched.values()].some((arg) => argumentValue(arg).kind === "host")) return callPerItem(item, host, matched, span);
  const given = params.map((param) => {
    const arg = matched.get(param.name.name);
    if (arg) return inArray(host.arrays.get(param.name.name), toHostValue(argumentValue(arg), arg.span));
    if (param.default === null) fail("call/missing-argument", span, { callee: name, name: param.name.name });
    return undefined;
  });
  let found: unknown;
  try {
    const fn = loadHostModule(host.absolute)[host.name];
    if (typeof fn !== "function") throw new TypeError(`${host.name} is no function`);
    found = (fn as (...values: readonly unknown[]) => unknown)(...given);
  } catch (error) {
    const related = [{ span: item.span, label: "of this function" }];
    fail("host/threw", span, { name, message: error instanceof Error ? error.message : String(error) }, { related });
  }
  const value = fromHostValue(found, result);
  if (value === undefined) {
    const related = [{ span: result.span, label: "its signature" }];
    fail("host/result", span, { name, found: describeHost(found) }, { related });
  }
  return value;
}

const hostTypes: Readonly<Record<string, HostVal["type"]>> = { Text: "text", Path: "text", Bool: "bool", Int: "int", Real: "real" };

/** A call for each item of a data set: arguments and result are numbers, texts and Bools. */
function callPerItem(item: FnItem, host: HostFunction, matched: ReadonlyMap<string, CallArg>, span: Span): Val {
  const name = item.name.name;
  const { params, result } = item.signature;
  const type = result.kind === "namedType" && !result.optional ? hostTypes[result.name.name] : undefined;
  if (type === undefined)
    fail("type/mismatch", span, {
      found: `what \`${name}\` gives`,
      expected: "`Text`, `Bool`, `Int` or `Real` of a function that is called for each item",
    });
  const given: HostExpr[] = [];
  for (const [i, param] of params.entries()) {
    const arg = matched.get(param.name.name);
    if (arg === undefined) {
      if (param.default === null || params.slice(i).some((later) => matched.has(later.name.name)))
        fail("call/missing-argument", span, { callee: name, name: param.name.name });
      break;
    }
    const value = argumentValue(arg);
    if (!isScalar(value)) fail("type/mismatch", arg.span, { found: describe(value), expected: "a number, a text or a Bool" });
    given.push(toHost(value));
  }
  return fromHost(itemFact("call", type, [hostConstant(host.absolute), hostConstant(host.name), ...given]), type);
}

/** Calls the default export of a file beside `importer`: it makes data and gives their folder. */
export function callMaker(importer: string, wanted: string, span: Span): string {
  const absolute = path.resolve(path.dirname(importer), wanted);
  if (!/^\.\.?\//.test(wanted) || !wanted.endsWith(".ts")) fail("import/bad-path", span, { path: wanted });
  if (!existsSync(absolute)) fail("import/not-found", span, { path: wanted, looked: absolute });
  let found: unknown;
  try {
    const maker = loadHostModule(absolute).default;
    if (typeof maker !== "function") throw new TypeError("it has no default export that can be called");
    found = (maker as () => unknown)();
  } catch (error) {
    fail("host/threw", span, { name: wanted, message: error instanceof Error ? error.message : String(error) });
  }
  if (typeof found !== "string")
    fail("host/result", span, { name: wanted, found: describeHost(found) }, { help: "it gives the path of a folder" });
  return path.resolve(path.dirname(absolute), found);
}

function inArray(kind: string | undefined, value: unknown): unknown {
  if (kind === undefined || !Array.isArray(value)) return value;
  const made = (globalThis as unknown as Readonly<Record<string, { from: (values: readonly unknown[]) => unknown }>>)[kind]!;
  return made.from(value);
}

function toHostValue(value: Val, span: Span): unknown {
  switch (value.kind) {
    case "number":
    case "bool":
    case "text":
      return value.value;
    case "none":
      return undefined;
    case "list":
    case "tuple":
      return value.items.map((item) => toHostValue(item, span));
    case "record":
      return Object.fromEntries([...value.fields].map(([name, field]) => [name, toHostValue(field, span)]));
    case "host":
      return fail("time/host-value-needed", span, { what: "an argument of a host function" }, { label: "known only when the step runs" });
    default:
      return fail("type/mismatch", span, { found: describe(value), expected: "a value known when compiling" });
  }
}

/** A value of TypeScript as one of the language, if it is what the type says. */
function fromHostValue(found: unknown, type: TypeNode): Val | undefined {
  if (type.kind === "error") return undefined;
  if (found === undefined || found === null) return type.optional ? none : undefined;
  if (type.kind === "recordType") {
    const fields = type.fields.map(
      ({ name, type: of }) => [name.name, fromHostValue((found as Readonly<Record<string, unknown>>)[name.name], of)] as const,
    );
    if (typeof found !== "object" || fields.some(([, value]) => value === undefined)) return undefined;
    return { kind: "record", fields: new Map(fields as readonly (readonly [string, Val])[]) };
  }
  const elements = Array.isArray(found) || ArrayBuffer.isView(found) ? [...(found as Iterable<unknown>)] : undefined;
  if (type.kind === "tupleType") {
    const items = elements?.length === type.elements.length ? elements.map((one, i) => fromHostValue(one, type.elements[i]!)) : [undefined];
    return items.includes(undefined) ? undefined : { kind: "tuple", items: items as Val[] };
  }
  switch (type.name.name) {
    case "Real":
      return typeof found === "number" ? number(found) : undefined;
    case "Int":
      return Number.isInteger(found) ? number(found as number) : undefined;
    case "Bool":
      return typeof found === "boolean" ? bool(found) : undefined;
    case "Text":
    case "Path":
      return typeof found === "string" ? text(found) : undefined;
    case "List": {
      const of = type.args[0]?.value;
      if (!elements || !of || of.kind === "number") return undefined;
      const items = elements.map((one) => fromHostValue(one, of));
      return items.includes(undefined) ? undefined : list(items as Val[]);
    }
    default:
      return undefined;
  }
}

function describeHost(found: unknown): string {
  if (found === null || found === undefined) return "nothing";
  if (found instanceof Promise) return "a promise (host functions answer at once)";
  if (Array.isArray(found)) return found.length === 0 ? "an empty list" : `a list that begins with ${describeHost(found[0])}`;
  if (typeof found === "object") return `an object with ${Object.keys(found).join(", ") || "no fields"}`;
  return typeof found === "string" ? JSON.stringify(found.slice(0, 40)) : String(found);
}
