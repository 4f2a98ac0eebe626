import { meantArgument } from "../../foreignNames.ts";
import type { Span } from "../../span.ts";
import { describeType, errorType, isSilent, type TensorType, type Type } from "../../types/type.ts";
import { argType, axesArg, type CallArg } from "../arguments.ts";
import type { Scope } from "../scope.ts";

// One call of a built-in function: its arguments by name, each evaluated once.

export interface BuiltinRule {
  /** `x`, `over?:axes`: a mark `?` for what may be left out, `:axes` where a bare name means an axis, `:word` where it is the function's own. */
  readonly params: string;
  /** What further arguments are: sizes by name (`view`), new names (`rename`), values by axis (`pad`). */
  readonly rest?: "sizes" | "names" | "axes";
  readonly type: (call: BuiltinCall) => Type;
}
interface Parameter {
  readonly name: string;
  readonly optional: boolean;
  readonly sense: string;
}
function readParams(text: string): Parameter[] {
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => {
      const [head = "", sense = "value"] = word.split(":");
      return { name: head.replace("?", ""), optional: head.endsWith("?"), sense };
    });
}

export class BuiltinCall {
  readonly name: string;
  readonly span: Span;
  readonly scope: Scope;
  readonly args = new Map<string, CallArg>();
  readonly rest: CallArg[] = [];
  readonly #types = new Map<string, Type>();
  readonly #senses = new Map<string, string>();
  failed = false;

  constructor(name: string, rule: BuiltinRule, args: readonly CallArg[], span: Span, scope: Scope) {
    this.name = name;
    this.span = span;
    this.scope = scope;
    const params = readParams(rule.params);
    for (const p of params) this.#senses.set(p.name, p.sense);
    this.#match(params, rule, args);
  }
  #match(params: readonly Parameter[], rule: BuiltinRule, args: readonly CallArg[]): void {
    const { session } = this.scope;
    const positional = args.filter((a) => a.name === null).length;
    const named = new Set(args.map((a) => a.name));
    const waiting = params.filter((p) => !named.has(p.name));
    let next = 0;
    for (const arg of args) {
      if (arg.name === "stream") {
        argType(arg);
        continue;
      }
      const known = arg.name === null ? waiting[next++] : params.find((p) => p.name === arg.name);
      if (known) {
        if (this.args.has(known.name)) session.report("call/duplicate-argument", arg.span, { name: known.name });
        else this.args.set(known.name, arg);
      } else if (rule.rest !== undefined && (arg.name !== null || rule.rest === "sizes")) this.rest.push(arg);
      else if (arg.name === null) {
        session.report("call/too-many-arguments", arg.span, { callee: this.name, most: params.length, given: positional });
        this.failed = true;
      } else {
        const names = params.map((p) => p.name);
        const all = names.length === 0 ? "it takes none" : `it takes ${names.map((n) => `\`${n}\``).join(", ")}`;
        const extra = meantArgument(arg.name, names, arg.nameSpan, all);
        session.report("call/unknown-argument", arg.nameSpan, { callee: this.name, name: arg.name }, extra);
        this.failed = true;
      }
    }
    for (const p of params) {
      if (p.optional || this.args.has(p.name)) continue;
      if (!this.failed) session.report("call/missing-argument", this.span, { callee: this.name, name: p.name });
      this.failed = true;
    }
  }
  has(name: string): boolean {
    return this.args.has(name);
  }
  spanOf(name: string): Span {
    return this.args.get(name)?.span ?? this.span;
  }
  /** The type of an argument; for axes, an `axes` type. */
  type(name: string): Type {
    const known = this.#types.get(name);
    if (known) return known;
    const arg = this.args.get(name);
    const sense = this.#senses.get(name);
    const raw: Type = !arg ? { kind: "unknown" } : sense === "axes" ? axesArg(arg) : sense === "value" ? argType(arg) : { kind: "unknown" };
    const type = raw.kind === "optional" ? raw.of : raw;
    this.#types.set(name, type);
    return type;
  }
  /** Evaluates what no rule has asked for, so that mistakes inside are found. */
  evaluateAll(): void {
    for (const [name] of this.args) if (this.#senses.get(name) === "value") this.type(name);
    for (const arg of this.rest) if (arg.source.kind === "expr" && arg.source.expr.kind !== "name") argType(arg);
  }
  /** A tensor argument; null where nothing is known of it or it is none, which is then reported. */
  tensor(name: string): TensorType | null {
    const type = this.type(name);
    if (type.kind === "tensor") return type;
    if (isSilent(type) || type.kind === "list" || type.kind === "record" || type.kind === "prompt") return null;
    if (["int", "realNumber", "bool", "schedule"].includes(type.kind))
      return { kind: "tensor", dtype: type.kind === "int" ? "i32" : type.kind === "bool" ? "bool" : "real", axes: [], time: "host" };
    this.mismatch(name, "a tensor");
    return null;
  }
  mismatch(name: string, expected: string): Type {
    this.scope.session.report("type/mismatch", this.spanOf(name), { found: describeType(this.type(name)), expected });
    this.failed = true;
    return errorType;
  }
  /** What a call is of which an argument is wrong or unknown. */
  silent(...names: readonly string[]): Type {
    return this.failed || names.some((name) => this.type(name).kind === "error") ? errorType : { kind: "unknown" };
  }
}
