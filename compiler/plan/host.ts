// Host expressions: what is known per step before anything is launched. Plain data, so a plan folder holds them and a browser can
// evaluate them. Schedules are lowered to arithmetic over `update` / `microStep`.

export type HostExpr =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "text"; readonly value: string }
  /** Number of the micro-step about to run (from 0), of the update it belongs to (from 0), and micro-step / micro_steps. */
  | { readonly kind: "counter"; readonly name: "microStep" | "update" | "progress" }
  | { readonly kind: "draw"; readonly stream: string; readonly distribution: HostDistribution }
  | { readonly kind: "op"; readonly op: HostOp; readonly args: readonly HostExpr[] }
  | { readonly kind: "if"; readonly condition: HostExpr; readonly then: HostExpr; readonly otherwise: HostExpr };

export type HostOp =
  | "neg"
  | "abs"
  | "exp"
  | "ln"
  | "sin"
  | "cos"
  | "sqrt"
  | "floor"
  | "ceil"
  | "round"
  | "not"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "mod"
  | "min"
  | "max"
  | "lt"
  | "le"
  | "eq"
  | "and"
  | "or";

export type HostDistribution =
  | { readonly kind: "uniform"; readonly low: HostExpr; readonly high: HostExpr }
  | { readonly kind: "normal" }
  | { readonly kind: "integer"; readonly low: HostExpr; readonly high: HostExpr } // low <= x < high
  | { readonly kind: "coin"; readonly probability: HostExpr }
  | {
      readonly kind: "pick";
      readonly values: readonly (number | string)[];
      readonly weights: readonly HostExpr[];
      readonly atMost: HostExpr | null;
    };

export interface HostEnvironment {
  readonly seed: number;
  readonly microStep: number;
  readonly update: number;
  readonly progress: number;
}

/** One element of the per-step uniform buffer. u32 and i32 are stored as bits. */
export interface UniformDecl {
  readonly name: string;
  readonly dtype: "f32" | "i32" | "u32";
  readonly expr: HostExpr;
}
