import type { Span } from "../../dsl/span.ts";
import type { HostValue } from "../plan/evalHost.ts";
import type { HostExpr } from "../plan/host.ts";
import { fail } from "./failure.ts";
import { constantOf, hostConstant, hostKey, mapHost } from "./hostExpr.ts";

// Alternatives: where a compile value is needed and a host value of finite domain stands, the step is elaborated once per value. A run
// replays the step from its beginning with the choices made so far; the first choice beyond them takes its first value and queues the others.

const mostAlternatives = 32;

interface Choice {
  readonly expr: HostExpr;
  readonly value: HostValue;
}

/** The values that a draw or a Bool can take; null if there is no short list of them. */
function domainOf(expr: HostExpr): readonly HostValue[] | null {
  if (expr.kind === "any" || expr.kind === "held") return [true, false];
  if (expr.kind === "taken" && expr.present) return [true, false];
  if (expr.kind === "field" && expr.type === "bool") return [true, false];
  if (expr.kind !== "draw") return null;
  const { distribution } = expr;
  if (distribution.kind === "coin") {
    const p = constantOf(distribution.probability);
    if (p === 0) return [false];
    return p === 1 ? [true] : [true, false];
  }
  if (distribution.kind === "pick") {
    const most = distribution.atMost === null ? undefined : constantOf(distribution.atMost);
    const possible = distribution.values.filter((value, i) => {
      const weight = distribution.weights.length === 0 ? 1 : constantOf(distribution.weights[i]!);
      return weight !== 0 && !(typeof most === "number" && typeof value === "number" && value > most);
    });
    return [...new Set(possible)];
  }
  if (distribution.kind === "integer") {
    const low = constantOf(distribution.low);
    const high = constantOf(distribution.high);
    if (typeof low !== "number" || typeof high !== "number" || high - low > mostAlternatives) return null;
    return Array.from({ length: high - low }, (_, i) => low + i);
  }
  return null;
}

/** The choices of one run through a step. */
export class Choices {
  private readonly made: Choice[];
  private readonly byKey = new Map<string, HostValue>();
  private at: number;
  readonly open: Choice[][] = [];
  readonly taken: Choice[] = [];

  constructor(prefix: readonly Choice[]) {
    this.made = [...prefix];
    this.at = 0;
  }

  /** The constant that stands for `expr` in this run, if it was chosen already. */
  known(expr: HostExpr): HostExpr | undefined {
    if (constantOf(expr) !== undefined) return undefined;
    const value = this.byKey.get(hostKey(expr));
    return value === undefined ? undefined : hostConstant(value);
  }

  #trying = 0;
  /** Runs `fn` without making choices: where one would be needed it fails, so that a trial leaves no trace. */
  trying<T>(fn: () => T): T {
    this.#trying++;
    try {
      return fn();
    } finally {
      this.#trying--;
    }
  }

  /** A compile value for `expr`; makes as many choices as that needs. */
  settle(expr: HostExpr, isBool: boolean, what: string, span: Span): HostValue {
    for (;;) {
      const settled = mapHost(expr, (e) => this.known(e));
      const value = constantOf(settled);
      if (value !== undefined) return value;
      if (this.#trying > 0) fail("time/host-value-needed", span, { what });
      const roots = rootsOf(settled);
      const choosable = roots.map((root) => ({ root, domain: domainOf(root) }));
      const first = choosable.find((c) => c.domain !== null);
      if (first && choosable.every((c) => c.domain !== null)) this.choose(first.root, first.domain!);
      else if (isBool) this.choose(settled, [true, false]);
      else {
        fail("time/host-value-needed", span, { what }, { label: "known only when the step runs, and not one of a short list" });
      }
    }
  }

  private choose(expr: HostExpr, domain: readonly HostValue[]): void {
    const next = this.made[this.at];
    const key = hostKey(expr);
    if (next !== undefined && hostKey(next.expr) !== key) throw new Error("internal: a step made other choices when it was run again");
    const value = next === undefined ? domain[0]! : next.value;
    if (next === undefined) {
      for (const other of domain.slice(1)) this.open.push([...this.taken, { expr, value: other }]);
      this.made.push({ expr, value });
    }
    this.at++;
    this.taken.push({ expr, value });
    this.byKey.set(key, value);
  }
}

function rootsOf(expr: HostExpr): HostExpr[] {
  if (expr.kind === "op") return expr.args.flatMap(rootsOf);
  if (expr.kind === "if") return [expr.condition, expr.then, expr.otherwise].flatMap(rootsOf);
  if (expr.kind === "join") return expr.parts.flatMap(rootsOf);
  return constantOf(expr) === undefined ? [expr] : [];
}

export interface Explored<T> {
  readonly choices: readonly HostExpr[];
  /** A key has null where a choice makes no difference. */
  readonly alternatives: readonly { readonly key: readonly (HostValue | null)[]; readonly value: T }[];
}

/** Runs `run` once per combination of choices that it makes. Alternatives that a choice does not concern stand for all its values. */
export function explore<T>(run: (choices: Choices) => T, name: string, span: Span): Explored<T> {
  const done: { readonly taken: readonly Choice[]; readonly value: T }[] = [];
  const queue: (readonly Choice[])[] = [[]];
  while (queue.length > 0) {
    const choices = new Choices(queue.shift()!);
    const value = run(choices);
    done.push({ taken: choices.taken, value });
    queue.push(...choices.open);
    if (done.length + queue.length > mostAlternatives) {
      const draws = [
        ...new Set(
          choices.taken.map((c) => (c.expr.kind === "draw" ? c.expr.stream : c.expr.kind === "field" ? c.expr.field : "a condition")),
        ),
      ];
      fail("time/too-many-alternatives", span, { name, most: mostAlternatives, draws: draws.join(", ") });
    }
  }
  const exprs = new Map(done.flatMap(({ taken }) => taken.map((choice): [string, HostExpr] => [hostKey(choice.expr), choice.expr])));
  const alternatives = done.map(({ taken, value }) => {
    const fixed = new Map(taken.map((c) => [hostKey(c.expr), c.value]));
    return { key: [...exprs.keys()].map((key) => fixed.get(key) ?? null), value };
  });
  return { choices: [...exprs.values()], alternatives };
}
