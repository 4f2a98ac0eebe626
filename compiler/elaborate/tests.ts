import type { Axis, Expr, GradcheckItem, IndexItem, PropertyItem, TestItem, TypeNode } from "../../dsl/ast.ts";
import type { Program } from "../../dsl/program.ts";
import type { Span } from "../../dsl/span.ts";
import { walk } from "../../dsl/walk.ts";
import { gradient } from "../autodiff.ts";
import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import type { UniformDecl } from "../plan/host.ts";
import type { PlanPrompt } from "../plan/plan.ts";
import { probeLoss } from "../reference/differences.ts";
import { toTensor } from "./arithmetic.ts";
import { call, readArgs, valueArg } from "./calls.ts";
import type { Check } from "./checks.ts";
import { evaluate } from "./expressions.ts";
import { attempt, fail, unsupported } from "./failure.ts";
import { Files } from "./files.ts";
import { collectLeaves } from "./leaves.ts";
import type { Elaborated, Leaf } from "./program.ts";
import type { Scope } from "./scope.ts";
import { Session } from "./session.ts";
import { compileNumber, sizeOf } from "./sizes.ts";
import { runStatements } from "./statements.ts";
import { copiesBegun } from "./surgery.ts";
import { copiedLeaves } from "./train.ts";
import { type AxisItem, bool, describe, isNumeric, number, tensor, type Val } from "./values.ts";

// `test`, `property` and `gradcheck` items. In: an item and a sample of what it draws. Out: a graph with everything that is claimed.
// What is to be drawn is read from the types first: sizes that have no other meaning, rows, and values; an axis name has one size in an item.

export type TestItemNode = TestItem | PropertyItem | GradcheckItem;
export interface TestCase {
  readonly kind: "test" | "property" | "gradcheck";
  readonly title: string;
  readonly item: TestItemNode;
  readonly file: string;
}
/** Something that a sample has a value for. `low` and `high` are both possible. */
export interface Drawn {
  readonly name: string;
  readonly type: "tensor" | "real" | "int" | "bool";
  readonly dtype: "f32" | "i32" | "bool";
  readonly low: number;
  readonly high: number;
  readonly span: Span;
}
export interface Draws {
  readonly sizes: readonly { readonly name: string; readonly least: number; readonly most: number }[];
  /** Rows `...s`: any number of axes. */
  readonly rows: readonly string[];
  readonly values: readonly Drawn[];
}
export interface Sample {
  readonly sizes: Readonly<Record<string, number>>;
  /** Sizes of each row's axes. */
  readonly rows: Readonly<Record<string, readonly number[]>>;
  /** Elements in the order of the axes, or one number. */
  readonly values: Readonly<Record<string, readonly number[]>>;
}
export interface TestProgram {
  readonly builder: Builder;
  readonly inputs: readonly { readonly name: string; readonly axes: readonly AxisItem[]; readonly dtype: "f32" | "i32" | "bool" }[];
  readonly leaves: readonly Leaf[];
  readonly uniforms: readonly UniformDecl[];
  readonly checks: readonly Check[];
  /** Texts that become inputs, and the seed by which they are drawn. */
  readonly prompts: readonly PlanPrompt[];
  readonly seed: number;
  /** Of a gradcheck: a scalar that depends on every result, and its derivatives. */
  readonly gradients: { readonly loss: Value; readonly of: readonly { readonly input: string; readonly value: Value }[] } | null;
}

/** The tests of a program's entry file, in its order. */
export function listTests(program: Program): TestCase[] {
  const file = program.files.get(program.entry);
  return (file?.ast.items ?? []).flatMap((item): TestCase[] => {
    if (item.kind === "test" || item.kind === "property") return [{ kind: item.kind, title: item.title.value, item, file: program.entry }];
    if (item.kind !== "gradcheck") return [];
    const title = file!.text.slice(item.value.span.start, item.value.span.end).replace(/\s+/g, " ");
    return [{ kind: "gradcheck", title, item, file: program.entry }];
  });
}

/** What a sample of the test consists of. */
export function drawsOf(program: Program, test: TestCase): Elaborated<Draws> {
  return elaborated(program, 0, (_, scope) => new TestSpace(test, scope).draws());
}

/** The axes of each tensor that a test draws, once sizes are chosen. */
export function shapesOf(
  program: Program,
  test: TestCase,
  sample: Pick<Sample, "sizes" | "rows">,
): Elaborated<ReadonlyMap<string, readonly AxisItem[]>> {
  return elaborated(program, 0, (_, scope) => new TestSpace(test, scope).shapes(sample));
}

/** The graph of a test for one sample. */
export function elaborateTest(program: Program, test: TestCase, sample: Sample, seed: number): Elaborated<TestProgram> {
  return elaborated(program, seed, (session, scope) => new TestSpace(test, scope).program(session, sample));
}

function elaborated<T>(program: Program, seed: number, run: (session: Session, scope: Scope) => T): Elaborated<T> {
  const session = new Session(seed);
  const files = new Files(program, session, { items: new Map(), values: new Map(), trainedByDefault: true, allFrozen: false });
  const made = attempt(() => run(session, files.scope(program.entry)));
  return made.ok ? { ok: true, value: made.value, warnings: session.warnings } : { ok: false, diagnostics: [made.diagnostic] };
}

/** A declaration of something drawn, wherever it is written. */
interface Declared extends Drawn {
  readonly axes: readonly AxisEntry[];
}
type AxisEntry =
  | { readonly kind: "row"; readonly name: string }
  | {
      readonly kind: "axis";
      readonly name: string;
      readonly size: Expr | null;
      readonly range: { readonly least: number; readonly most: number } | null;
    };

const defaultSizes = { least: 1, most: 6 };
const tensorTypes: Readonly<Record<string, Drawn["dtype"]>> = { real: "f32", f32: "f32", i32: "i32", bool: "bool" };

class TestSpace {
  readonly #test: TestCase;
  readonly #scope: Scope;
  readonly #declared: readonly Declared[];

  constructor(test: TestCase, scope: Scope) {
    this.#test = test;
    this.#scope = scope;
    this.#declared = this.#declarations();
  }

  // ---- what is drawn ----
  #declarations(): Declared[] {
    const { item } = this.#test;
    switch (item.kind) {
      case "test":
        return [];
      case "property":
        return item.forall.map((f) => this.#declare(f.name.name, f.type, f.in, f.name.span));
      case "gradcheck":
        return gradcheckCall(item).args.flatMap((arg, i) => {
          const type = this.#typeOf(arg.value);
          return type ? [{ ...this.#tensor(arg.name?.name ?? `argument${i}`, type.axes, type.dtype, null, arg.span) }] : [];
        });
      default:
        throw new Error(`internal: ${(item satisfies never as TestItemNode).kind} is no test`);
    }
  }
  #declare(name: string, type: TypeNode, range: Expr | null, span: Span): Declared {
    if (type.kind === "namedType" && !type.optional && type.args.length === 0) {
      const word = type.name.name;
      const dtype = tensorTypes[word];
      if (dtype)
        return this.#tensor(
          name,
          (type.axes ?? []).map((axis) => this.#axis(axis)),
          dtype,
          range,
          span,
        );
      const whole = word === "Int" || word === "Dim";
      if (type.axes === null && (whole || word === "Real" || word === "Bool")) {
        const [low, high] = this.#range(range, whole ? [1, 8] : word === "Bool" ? [0, 1] : [-1, 1], whole);
        const kind = whole ? "int" : word === "Bool" ? "bool" : "real";
        return { name, type: kind, dtype: whole ? "i32" : "f32", low, high, span, axes: [] };
      }
    }
    return unsupported("a `forall` over this type", type.span, "tensors, `Real`, `Int`, `Dim` and `Bool` are drawn");
  }
  #tensor(name: string, axes: readonly AxisEntry[], dtype: Drawn["dtype"], range: Expr | null, span: Span): Declared {
    const [low, high] = this.#range(range, dtype === "i32" ? [0, 8] : dtype === "bool" ? [0, 1] : [-1, 1], dtype === "i32");
    return { name, type: "tensor", dtype, low, high, span, axes };
  }
  /** `in a..b`: both ends for reals, without the end for whole numbers. */
  #range(range: Expr | null, usual: readonly [number, number], whole: boolean): readonly [number, number] {
    if (range === null) return usual;
    const end = (expr: Expr): number => compileNumber(evaluate(expr, this.#scope), expr.span, this.#scope, "an end of a range");
    if (range.kind !== "range" || range.to === null) fail("type/mismatch", range.span, { found: "this", expected: "a range `a..b`" });
    const [low, high] = [end(range.from), end(range.to) - (whole ? 1 : 0)];
    if (!(low <= high)) fail("elaborate/bad-setting", range.span, { key: "this range", problem: "nothing lies in it" });
    return [low, high];
  }
  #axis(axis: Axis): AxisEntry {
    if (axis.kind === "rowAxis") return { kind: "row", name: axis.name.name };
    return this.#namedAxis(axis.name?.name ?? null, axis.value, axis.span);
  }
  #namedAxis(given: string | null, value: Expr, span: Span): AxisEntry {
    const name = given ?? (value.kind === "name" ? value.name : fail("shape/unnamed-axis", span, {}));
    if (value.kind !== "range") return { kind: "axis", name, size: value, range: null };
    const [least, most] = this.#range(value, [1, 1], true);
    if (!Number.isInteger(least) || least < 0) fail("shape/not-whole", value.span, { what: "this size", value: least });
    return { kind: "axis", name, size: null, range: { least, most } };
  }
  /** `x: real[n: 3]` as an argument of a gradcheck: what it asks to be drawn; null for an ordinary value. */
  #typeOf(value: Expr): { readonly dtype: Drawn["dtype"]; readonly axes: readonly AxisEntry[] } | null {
    const base = value.kind === "index" ? value.base : value;
    const dtype = base.kind === "name" ? tensorTypes[base.name] : undefined;
    if (!dtype) return null;
    return { dtype, axes: value.kind === "index" ? value.indices.map((index) => this.#indexAxis(index)) : [] };
  }
  #indexAxis(index: IndexItem): AxisEntry {
    if (index.row && index.value?.kind === "name") return { kind: "row", name: index.value.name };
    if (index.value === null) return fail("shape/unnamed-axis", index.span, {});
    return this.#namedAxis(index.name?.name ?? null, index.value, index.span);
  }

  draws(): Draws {
    const sizes = new Map<string, { least: number; most: number }>();
    const rows = new Set<string>();
    // Names that stand for a size without being drawn as one: numbers, and axes whose size is written.
    const known = new Set(this.#declared.flatMap((one) => (one.type === "int" ? [one.name] : [])));
    for (const { axes } of this.#declared) {
      for (const axis of axes) {
        if (axis.kind === "row") rows.add(axis.name);
        else if (axis.range) sizes.set(axis.name, axis.range);
        else {
          for (const name of namesIn(axis.size!))
            if (!sizes.has(name) && !known.has(name) && this.#scope.lookupSize(name) === undefined) sizes.set(name, defaultSizes);
          known.add(axis.name);
        }
      }
    }
    return { sizes: [...sizes].map(([name, range]) => ({ name, ...range })), rows: [...rows], values: this.#declared };
  }

  // ---- with a sample ----
  /** The axes of each tensor; the sizes of earlier ones are known to later ones. */
  #axesAt({ sizes, rows }: Pick<Sample, "sizes" | "rows">): {
    readonly axes: ReadonlyMap<string, readonly AxisItem[]>;
    readonly scope: Scope;
  } {
    const items = Object.entries(rows).map(([name, of]): [string, AxisItem[]] => [
      name,
      of.map((size, i) => ({ name: `${name}${i}`, size })),
    ]);
    let scope = this.#scope.child({ sizes: new Map(Object.entries(sizes)), rows: new Map(items) });
    const axes = new Map<string, readonly AxisItem[]>();
    for (const one of this.#declared) {
      if (one.type !== "tensor") continue;
      const own = one.axes.flatMap((axis): readonly AxisItem[] => {
        if (axis.kind === "row") return scope.row(axis.name) ?? [];
        return [{ name: axis.name, size: axis.range ? sizes[axis.name]! : sizeOf(axis.size!, scope) }];
      });
      axes.set(one.name, own);
      scope = scope.child({ axisSizes: new Map(own.map((axis) => [axis.name, axis.size!])) });
    }
    return { axes, scope };
  }
  shapes(sample: Pick<Sample, "sizes" | "rows">): ReadonlyMap<string, readonly AxisItem[]> {
    return this.#axesAt(sample).axes;
  }

  program(session: Session, sample: Sample): TestProgram {
    const { item, kind } = this.#test;
    const inputs: TestProgram["inputs"][number][] = [];
    const { axes: shapes, scope } = this.#axesAt(sample);
    session.takesPrompts = true;
    const { value: gradients, effects } = session.inBody("test", [kind], () => {
      const values = new Map<string, Val>();
      for (const one of this.#declared) {
        const given = sample.values[one.name]!;
        if (one.type === "tensor") {
          const axes = shapes.get(one.name)!;
          const shape = axes.map((axis) => axis.size!);
          const dtype = one.dtype === "bool" ? "i32" : one.dtype;
          const input = session.builder.input(one.name, shape, { role: "data", dtype, labels: axes.map((axis) => axis.name) });
          inputs.push({ name: one.name, axes, dtype });
          const value = one.dtype === "bool" ? session.builder.not(session.builder.eq(input, session.builder.splatLike(0, input))) : input;
          values.set(
            one.name,
            tensor(
              value,
              axes.map((axis) => axis.name),
            ),
          );
        } else values.set(one.name, one.type === "bool" ? bool(given[0] !== 0) : number(given[0]!));
      }
      if (item.kind === "gradcheck") return this.#gradients(session, item, values, scope, inputs);
      runStatements(item.kind === "property" ? item.body : item.body.statements, scope.child({ values }));
      return null;
    });
    const own = collectLeaves(session, () => 0);
    const leaves = copiesBegun(session, own, copiedLeaves(session, own));
    return {
      builder: session.builder,
      inputs,
      leaves,
      uniforms: session.uniforms,
      checks: effects.checks,
      prompts: session.prompts.all,
      seed: session.seed,
      gradients,
    };
  }

  #gradients(
    session: Session,
    item: GradcheckItem,
    values: ReadonlyMap<string, Val>,
    scope: Scope,
    inputs: TestProgram["inputs"],
  ): TestProgram["gradients"] {
    const written = gradcheckCall(item);
    const args = readArgs(written.args, scope).map((arg, i) => {
      const value = values.get(arg.name ?? `argument${i}`);
      return value && this.#typeOf(written.args[i]!.value) ? valueArg(value, arg.span, arg.name) : arg;
    });
    const result = call(evaluate(written.callee, scope), args, item.value.span, scope);
    const loss = probeLoss(
      session.builder,
      numbersIn(result, item.value.span).map((one) => toTensor(session, one, "f32").value),
    );
    const of = inputs.filter((input) => input.dtype === "f32").map((input) => input.name);
    const leaves = of.map((name) => (values.get(name) as Extract<Val, { kind: "tensor" }>).value);
    const derivatives = gradient(session.builder, loss, leaves);
    return { loss, of: of.map((input, i) => ({ input, value: derivatives[i]! })) };
  }
}

/** Names that an expression mentions. */
function namesIn(expr: Expr): Set<string> {
  const names = new Set<string>();
  walk(expr, (node) => {
    if (node.kind === "name") names.add((node as Extract<Expr, { kind: "name" }>).name);
    return undefined;
  });
  return names;
}

function gradcheckCall(item: GradcheckItem): Extract<Expr, { kind: "call" }> {
  if (item.value.kind !== "call")
    return fail("type/mismatch", item.value.span, { found: "this", expected: "a call: `gradcheck f(x: real[n: 3])`" });
  return item.value;
}

function numbersIn(value: Val, span: Span): Extract<Val, { kind: "tensor" }>[] {
  if (value.kind === "tensor") return [value];
  if (value.kind === "list" || value.kind === "tuple") return value.items.flatMap((one) => numbersIn(one, span));
  if (value.kind === "record") return [...value.fields.values()].flatMap((one) => numbersIn(one, span));
  if (value.kind === "none" || isNumeric(value)) return [];
  return fail("type/mismatch", span, { found: describe(value), expected: "tensors, which can be differentiated" });
}
