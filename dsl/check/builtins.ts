import { argumentSense, builtins } from "../builtins.ts";
import type { Span } from "../span.ts";
import { flagTest } from "../types/size.ts";
import { bool, intType, realType, type Type, textType, unknownType } from "../types/type.ts";
import { argType, type CallArg } from "./arguments.ts";
import { arenaRules } from "./builtins/arena.ts";
import { axesRules } from "./builtins/axes.ts";
import { BuiltinCall, type BuiltinRule } from "./builtins/call.ts";
import { contractRules } from "./builtins/contract.ts";
import { drawRules, normal } from "./builtins/draws.ts";
import { listRules } from "./builtins/lists.ts";
import { mathRules } from "./builtins/math.ts";
import { piecesRules } from "./builtins/pieces.ts";
import { viewRules } from "./builtins/view.ts";
import { walkRules } from "./builtins/walk.ts";
import type { Scope } from "./scope.ts";

// The names the compiler knows. A function without a rule here (what data sets and evaluations call on the host) has an unknown result;
// only its arguments are looked at.

const rules: Readonly<Record<string, BuiltinRule>> = {
  ...mathRules,
  ...arenaRules,
  ...axesRules,
  ...viewRules,
  ...piecesRules,
  ...contractRules,
  ...listRules,
  ...drawRules,
};

/** What a built-in name is as a value. */
export function builtinValue(name: string): Type | undefined {
  const builtin = builtins.get(name);
  if (!builtin) return undefined;
  switch (name) {
    case "normal":
      return normal;
    case "inf":
    case "pi":
    case "progress":
      return realType;
    case "micro_step":
    case "images":
    case "index":
      return intType;
    case "file":
    case "stem":
    case "folder_name":
      return textType;
    case "batch":
      return undefined; // steps say what it is
    case "training":
      return bool(flagTest("training", "training"));
    default:
      break;
  }
  if (builtin.kind === "type") return undefined;
  return builtin.kind === "value" ? unknownType : { kind: "builtin", name };
}

/** A call of a built-in function. */
export function callBuiltin(name: string, args: readonly CallArg[], span: Span, scope: Scope): Type {
  const here = scope.body.isWalk === true && Object.hasOwn(walkRules, name) ? walkRules : rules;
  const rule = Object.hasOwn(here, name) ? here[name] : undefined;
  if (rule) {
    const call = new BuiltinCall(name, rule, args, span, scope);
    if (!call.failed) return rule.type(call);
    call.evaluateAll();
    return { kind: "error" };
  }
  const builtin = builtins.get(name);
  args.forEach((arg, i) => {
    if (builtin && !arg.row && argumentSense(builtin, i, arg.name) === "value") argType(arg);
  });
  return unknownType;
}
