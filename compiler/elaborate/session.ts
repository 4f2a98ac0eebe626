import type { MeasureStmt } from "../../dsl/ast.ts";
import type { Diagnostic } from "../../dsl/diagnostic.ts";
import type { Span } from "../../dsl/span.ts";
import { Builder } from "../ir/builder.ts";
import type { Graph, Value } from "../ir/value.ts";
import type { HostExpr, UniformDecl } from "../plan/host.ts";
import type { PlanTableUse } from "../plan/plan.ts";
import type { Check } from "./checks.ts";
import type { Choices } from "./choices.ts";
import { atRun, constantOf, hostKey, itemOf, mapHost } from "./hostExpr.ts";
import type { Instance, ModelRoot } from "./instance.ts";
import { type LoopBody, type LoopRule, refuseItems, worthALoop } from "./loopBody.ts";
import type { ArenaLayout } from "./program.ts";
import { Prompts } from "./promptInputs.ts";
import type { Scope } from "./scope.ts";
import type { TableRoot } from "./tableState.ts";
import type { PictureVal, TensorVal, Val } from "./values.ts";
import type { WalkState } from "./walkState.ts";

/** What kind of body is being elaborated: it decides which statements and effects may stand there. */
export type BodyKind = "compile" | "init" | "step" | "optimizer" | "evaluate" | "function" | "dataset" | "test";

/** What a body leaves besides its value. Copied before a trial run and put back when it is dropped. */
export interface Effects {
  readonly cells: Map<string, Val>; // declared state: its newest value
  readonly updated: Set<string>;
  readonly minimized: TensorVal[];
  readonly logs: Map<string, TensorVal>;
  readonly streamCounts: Map<string, number>;
  /** Values that the host waits for, in order. */
  readonly reads: { readonly name: string; readonly value: Value; readonly type: "bool" | "real" | "int" }[];
  readonly tables: PlanTableUse[];
  /** Texts that are logged. */
  readonly notes: Map<string, HostExpr>;
  /** What a test claims, in order. */
  readonly checks: Check[];
  ended: string | null; // the reason of a `require` that ended the path
}

/** Inputs of the graph of one item. */
export interface ItemInputs {
  readonly host: (expr: HostExpr, dtype: UniformDecl["dtype"]) => Value;
  readonly picture: (picture: PictureVal) => TensorVal;
}

/** Everything that one elaboration shares: the builder, the models, the counters and the text of the present call chain. */
export class Session {
  readonly builder = new Builder();
  readonly warnings: Diagnostic[] = [];
  /** Mistakes that did not stop what does not depend on them: each step is elaborated even if another one failed. */
  readonly errors: Diagnostic[] = [];
  readonly models = new Map<string, ModelRoot>();
  readonly uniforms: UniformDecl[] = [];
  private readonly uniformNames = new Map<string, string>();
  seed: number;
  compat: "fixed" | "source" = "fixed";
  /** Names of taps that the train block keeps while the rest is computed again: `tap`, or `part.tap`. */
  saved: ReadonlySet<string> = new Set();
  /** Those of them that a tap had. */
  readonly marked = new Set<string>();
  training: boolean | null = null; // for a function elaborated alone
  /** Set where draws do not depend on the micro-step. */
  isStill = false;
  totalUpdates: HostExpr = { kind: "number", value: 1 };
  body: BodyKind = "compile";
  choices: Choices | null = null;
  stream: readonly string[] = [];
  chain: readonly string[] = [];
  callDepth = 0;
  /** Declared state as it stands before a body: the input leaf of each cell. */
  readonly cells = new Map<string, TensorVal>();
  readonly owners = new Map<string, Instance>(); // whose state a cell is
  /** Taps passed by the call that is being watched; null: nobody watches. */
  taps: Map<Instance, Map<string, Val>> | null = null;
  /** The parameters of the optimiser whose body is run, and whether that body looks at them one by one. */
  arena: ArenaLayout | null = null;
  byTensor = false;
  readonly prompts = new Prompts();
  /** Whether a host will be there that turns prompts into tokens. */
  takesPrompts = false;
  /** Takes what an `evaluate` block measures, wherever in it that stands. */
  measure: ((statement: MeasureStmt, scope: Scope) => void) | null = null;
  /** Set while an `evaluate` block goes through folders, files and lines. */
  walk: WalkState | null = null;
  /** Parts that begin as copies of other parts. */
  readonly copies: { readonly from: Instance; readonly to: Instance }[] = [];
  readonly tables = new Map<string, TableRoot>();
  /** Where a file of the program lies on disk. */
  absoluteOf: (file: string) => string = (file) => file;
  /** What stands for numbers of an item where a field of a data set is evaluated: they differ within a batch, so they are no uniforms. */
  items: ItemInputs | null = null;
  /** Loops whose bodies are being elaborated, outermost first. */
  readonly loops: LoopBody[] = [];
  /** When a `fold` over host numbers is a loop. */
  loopRule: LoopRule = worthALoop;
  /** By content. */
  readonly loopBodies = new Map<string, Graph>();
  freshAxes = 1; // makes axis names of nested calls unique
  effects: Effects = freshEffects();

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Runs `fn` as another kind of body with effects of its own, which it gives back. */
  inBody<T>(body: BodyKind, stream: readonly string[], fn: () => T): { readonly value: T; readonly effects: Effects } {
    const before = { body: this.body, stream: this.stream, effects: this.effects };
    this.body = body;
    this.stream = stream;
    this.effects = freshEffects();
    try {
      const value = fn();
      return { value, effects: this.effects };
    } finally {
      this.body = before.body;
      this.stream = before.stream;
      this.effects = before.effects;
    }
  }

  /** Runs `fn` with one more name in the chain that names random streams. */
  inStream<T>(name: string, fn: () => T): T {
    const before = this.stream;
    this.stream = [...before, name];
    try {
      return fn();
    } finally {
      this.stream = before;
    }
  }

  /** The stream of a draw made here: the chain of names, numbered when a chain draws again. */
  nextStream(): string {
    const chain = this.stream.join(".").replaceAll(".[", "[");
    const count = (this.effects.streamCounts.get(chain) ?? 0) + 1;
    this.effects.streamCounts.set(chain, count);
    return count === 1 ? chain : `${chain}#${count}`;
  }

  /** Values made by `fn` say that they come from `span`, reached through the present calls. */
  at<T>(span: Span, fn: () => T): T {
    return this.builder.withOrigin(this.chain.length === 0 ? { span } : { span, chain: this.chain }, fn);
  }

  /** A host number as a scalar of the graph: a constant if it is known, else an element of the uniform buffer. */
  uniform(expr: HostExpr, dtype: UniformDecl["dtype"], hint: string): Value {
    const settled = this.choices ? mapHost(expr, (e) => this.choices!.known(e)) : expr;
    const known = constantOf(settled);
    if (known !== undefined) return this.builder.scalar(Number(known), dtype);
    if (settled.kind === "perRun") return this.loopOf(settled.loop).item(settled, dtype);
    if (this.loops.length > 0) refuseItems(settled);
    if (this.items !== null && expr.kind !== "counter") return this.items.host(expr, dtype);
    const key = `${dtype}:${hostKey(settled)}`;
    let name = this.uniformNames.get(key);
    if (name === undefined) {
      const taken = new Set(this.uniforms.map((u) => u.name));
      name = hint;
      for (let n = 2; taken.has(name); n++) name = `${hint}#${n}`;
      this.uniformNames.set(key, name);
      this.uniforms.push({ name, dtype, expr: settled });
    }
    return this.builder.input(name, [], { role: "uniform", dtype });
  }

  /** The loop of an item. */
  loopOf(number: number): LoopBody {
    const loop = this.loops.find((l) => l.number === number);
    if (!loop) throw new Error("internal: an item of a loop outside of it");
    return loop;
  }

  /** An expression that must be one for all runs of the loops around: each loop goes on for as long as it is. */
  assumed(expr: HostExpr): HostExpr {
    let one = expr;
    while (one.kind === "perRun") one = this.loopOf(one.loop).assume(one);
    if (this.loops.length > 0) refuseItems(one);
    return one;
  }

  /** What is made with the name of a stream: of runs of a loop each has its own. */
  perStream(stream: string, make: (stream: string) => HostExpr, loops: readonly LoopBody[] = this.loops): HostExpr {
    const loop = loops.at(-1);
    if (!loop || !stream.includes(loop.mark)) return loop ? this.perStream(stream, make, loops.slice(0, -1)) : make(stream);
    return itemOf(
      loop.number,
      loop.runs.map((run, i) => atRun(this.perStream(stream.replaceAll(loop.mark, `[${run}]`), make, loops.slice(0, -1)), loop.number, i)),
    );
  }

  /** The micro-step that device draws are counted by: 0 where starting values are made. */
  microStep(): Value {
    if (this.body === "init" || this.body === "test" || this.isStill) return this.builder.scalar(0, "u32");
    if (this.walk !== null) return this.uniform(this.walk.turn, "u32", "turn");
    return this.uniform({ kind: "counter", name: "microStep" }, "u32", "microStep");
  }
}

function freshEffects(): Effects {
  return {
    cells: new Map(),
    updated: new Set(),
    minimized: [],
    logs: new Map(),
    streamCounts: new Map(),
    reads: [],
    tables: [],
    notes: new Map(),
    checks: [],
    ended: null,
  };
}

export function copyEffects(effects: Effects): Effects {
  return {
    cells: new Map(effects.cells),
    updated: new Set(effects.updated),
    minimized: [...effects.minimized],
    logs: new Map(effects.logs),
    streamCounts: new Map(effects.streamCounts),
    reads: [...effects.reads],
    tables: [...effects.tables],
    notes: new Map(effects.notes),
    checks: [...effects.checks],
    ended: effects.ended,
  };
}

/** Makes effects what they were; who holds them meanwhile sees it. */
export function restoreEffects(effects: Effects, before: Effects): void {
  const now = effects as unknown as Record<string, unknown>;
  for (const [name, was] of Object.entries(before)) {
    const held = now[name];
    if (held instanceof Map && was instanceof Map) {
      held.clear();
      for (const [key, value] of was) held.set(key, value);
    } else if (held instanceof Set && was instanceof Set) {
      held.clear();
      for (const value of was) held.add(value);
    } else if (Array.isArray(held) && Array.isArray(was)) held.splice(0, held.length, ...(was as unknown[]));
    else now[name] = was;
  }
}

/** Whether something besides counted streams happened between the two. */
export function sameEffects(a: Effects, b: Effects): boolean {
  return (
    a.updated.size === b.updated.size &&
    a.minimized.length === b.minimized.length &&
    a.logs.size === b.logs.size &&
    a.reads.length === b.reads.length &&
    a.tables.length === b.tables.length &&
    a.notes.size === b.notes.size &&
    a.checks.length === b.checks.length &&
    a.ended === b.ended &&
    [...a.cells].every(([k, v]) => b.cells.get(k) === v)
  );
}
