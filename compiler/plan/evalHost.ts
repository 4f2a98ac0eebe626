import { drawGrammar } from "./grammar.ts";
import type { HostDistribution, HostEnvironment, HostExpr, HostOp } from "./host.ts";
import { Draws } from "./philox.ts";
import { pickIndex } from "./pick.ts";

export { pickIndex } from "./pick.ts";

// Evaluates host expressions: what is known per step before anything is launched. In: an expression and the counters of the step.
// Out: its value. Pure: the same seed and counters always give the same value, so the values of later steps may be asked for early.

export type HostValue = number | boolean | string;

const numeric = (value: HostValue): number => (typeof value === "boolean" ? Number(value) : (value as number));

/** Half to even, as on the device. */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** The meaning of every host operation. One row per operation. */
export const hostOps: { readonly [K in HostOp]: (...args: readonly HostValue[]) => HostValue } = {
  neg: (a) => -numeric(a!),
  abs: (a) => Math.abs(numeric(a!)),
  exp: (a) => Math.exp(numeric(a!)),
  ln: (a) => Math.log(numeric(a!)),
  sin: (a) => Math.sin(numeric(a!)),
  cos: (a) => Math.cos(numeric(a!)),
  sqrt: (a) => Math.sqrt(numeric(a!)),
  floor: (a) => Math.floor(numeric(a!)),
  ceil: (a) => Math.ceil(numeric(a!)),
  round: (a) => roundHalfEven(numeric(a!)),
  not: (a) => !a,
  add: (a, b) => numeric(a!) + numeric(b!),
  sub: (a, b) => numeric(a!) - numeric(b!),
  mul: (a, b) => numeric(a!) * numeric(b!),
  div: (a, b) => numeric(a!) / numeric(b!),
  pow: (a, b) => numeric(a!) ** numeric(b!),
  mod: (a, b) => numeric(a!) - Math.floor(numeric(a!) / numeric(b!)) * numeric(b!),
  min: (a, b) => Math.min(numeric(a!), numeric(b!)),
  max: (a, b) => Math.max(numeric(a!), numeric(b!)),
  lt: (a, b) => numeric(a!) < numeric(b!),
  le: (a, b) => numeric(a!) <= numeric(b!),
  eq: (a, b) => a === b,
  and: (a, b) => Boolean(a) && Boolean(b),
  or: (a, b) => Boolean(a) || Boolean(b),
};

/** The value of a host expression in one micro-step. */
export function evaluateHost(expr: HostExpr, environment: HostEnvironment): HostValue {
  switch (expr.kind) {
    case "number":
    case "bool":
    case "text":
      return expr.value;
    case "counter":
      return environment[expr.name];
    case "draw":
      return drawHost(expr.stream, expr.distribution, environment);
    case "op":
      return hostOps[expr.op](...expr.args.map((arg) => evaluateHost(arg, environment)));
    case "if":
      return evaluateHost(evaluateHost(expr.condition, environment) ? expr.then : expr.otherwise, environment);
    case "field": {
      const value = environment.known?.field(expr.field, expr.at) ?? absent[expr.type];
      return expr.type === "bool" ? Boolean(value) : value;
    }
    case "item": {
      const args = expr.args.map((arg) => evaluateHost(arg, environment));
      return environment.known?.item?.(expr.fact, args, expr.type) ?? absent[expr.type];
    }
    case "any":
      return expr.of.some((one) => Boolean(evaluateHost(one, environment)));
    case "read":
      return environment.known?.read(expr.name) ?? 0;
    case "held":
      return environment.known?.holds(expr.table, String(evaluateHost(expr.key, environment))) ?? false;
    case "row":
      return environment.known?.row(expr.table, String(evaluateHost(expr.key, environment)), expr.use) ?? 0;
    case "taken":
      return environment.known?.taken(expr.table, String(evaluateHost(expr.key, environment)), expr.field, expr.present) ?? 0;
    case "join":
      return expr.parts.map((part) => String(evaluateHost(part, environment))).join("");
    case "perRun":
      throw new Error("internal: an item of a loop outside of it");
    default:
      expr satisfies never;
      throw new Error("internal: unknown host expression");
  }
}

/** What a field is where no batch is there yet. */
const absent = { bool: false, int: 0, real: 0, text: "" } as const;

function drawHost(stream: string, distribution: HostDistribution, environment: HostEnvironment): HostValue {
  const draws = new Draws(environment.seed, stream, environment.microStep);
  const value = (expr: HostExpr) => numeric(evaluateHost(expr, environment));
  switch (distribution.kind) {
    case "uniform":
      return draws.uniform(value(distribution.low), value(distribution.high));
    case "normal":
      return draws.normal();
    case "integer": {
      const low = Math.ceil(value(distribution.low));
      return low + draws.integer(Math.max(1, Math.ceil(value(distribution.high)) - low));
    }
    case "coin":
      return draws.coin(value(distribution.probability));
    case "pick": {
      const most = distribution.atMost === null ? null : value(distribution.atMost);
      const weights = distribution.values.map((v, i) => {
        if (most !== null && typeof v === "number" && v > most) return 0;
        return distribution.weights.length === 0 ? 1 : Math.max(0, value(distribution.weights[i]!));
      });
      return distribution.values[pickIndex(weights, draws.uniform())]!;
    }
    case "grammar":
      return drawGrammar(distribution.grammar, draws);
    default:
      distribution satisfies never;
      throw new Error("internal: unknown distribution");
  }
}
