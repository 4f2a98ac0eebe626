import type { GradcheckItem } from "../../dsl/ast.ts";
import type { Program } from "../../dsl/program.ts";
import type { Span } from "../../dsl/span.ts";
import { gradient } from "../autodiff.ts";
import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import type { UniformDecl } from "../plan/host.ts";
import type { PlanPrompt } from "../plan/plan.ts";
import { probeLoss } from "../reference/differences.ts";
import { toTensor } from "./arithmetic.ts";
import { call, readArgs, valueArg } from "./calls.ts";
import type { Check } from "./checks.ts";
import {
  type Drawn,
  type Draws,
  drawnArgument,
  drawsOfItem,
  type Form,
  gradcheckCall,
  type Place,
  placesOf,
  type Sample,
  type SampleForm,
  type TestItemNode,
} from "./drawn.ts";
import { evaluate } from "./expressions.ts";
import { attempt, fail } from "./failure.ts";
import { Files } from "./files.ts";
import { collectLeaves } from "./leaves.ts";
import type { Elaborated, Leaf } from "./program.ts";
import type { Scope } from "./scope.ts";
import { Session } from "./session.ts";
import { runStatements } from "./statements.ts";
import { copiesBegun } from "./surgery.ts";
import { copiedLeaves } from "./train.ts";
import { type AxisItem, bool, describe, isNumeric, list, none, number, tensor, tuple, type Val } from "./values.ts";

// `test`, `property` and `gradcheck` items. In: an item and a sample of what it draws. Out: a graph with everything that is claimed.
// What is to be drawn is read from the types first (`drawn.ts`).

export interface TestCase {
  readonly kind: "test" | "property" | "gradcheck";
  readonly title: string;
  readonly item: TestItemNode;
  readonly file: string;
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
  return elaborated(program, 0, (_, scope) => drawsOfItem(test.item, scope));
}

/** Where a sample of this form has numbers, and how many. */
export function placesIn(program: Program, test: TestCase, form: SampleForm): Elaborated<readonly Place[]> {
  return elaborated(program, 0, (_, scope) => placesOf(drawsOfItem(test.item, scope), form, scope).places);
}

/** The graph of a test for one sample. */
export function elaborateTest(program: Program, test: TestCase, sample: Sample, seed: number): Elaborated<TestProgram> {
  return elaborated(program, seed, (session, scope) => programAt(test, sample, session, scope));
}

function elaborated<T>(program: Program, seed: number, run: (session: Session, scope: Scope) => T): Elaborated<T> {
  const session = new Session(seed);
  const files = new Files(program, session, { items: new Map(), values: new Map(), trainedByDefault: true, allFrozen: false });
  const made = attempt(() => run(session, files.scope(program.entry)));
  return made.ok ? { ok: true, value: made.value, warnings: session.warnings } : { ok: false, diagnostics: [made.diagnostic] };
}

function programAt({ item, kind }: TestCase, sample: Sample, session: Session, outer: Scope): TestProgram {
  const draws = drawsOfItem(item, outer);
  const { places, scope, sizesAt } = placesOf(draws, sample, outer);
  const inputs: TestProgram["inputs"][number][] = [];
  session.takesPrompts = true;
  const { value: gradients, effects } = session.inBody("test", [kind], () => {
    const numbers = new Map(places.map((place) => [place.path, valueAt(session, place, sample.values[place.path]!, inputs)]));
    const values = new Map([...draws.values].map(([name, drawn]) => [name, composed(drawn, sample.forms[name]!, name, numbers, sizesAt)]));
    if (item.kind === "gradcheck") return gradientsOf(session, item, values, scope, inputs);
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

/** The numbers of a place: an input of the graph, or a number that is known when compiling. */
function valueAt(session: Session, { path, numbers, axes }: Place, given: readonly number[], inputs: TestProgram["inputs"][number][]): Val {
  if (numbers.type === "bool") return bool(given[0] !== 0);
  if (numbers.type !== "tensor") return number(given[0]!);
  const { builder } = session;
  const names = axes.map((axis) => axis.name);
  const dtype = numbers.dtype === "bool" ? "i32" : numbers.dtype;
  const shape = axes.map((axis) => axis.size!);
  const input = builder.input(path, shape, { role: "data", dtype, labels: names });
  inputs.push({ name: path, axes, dtype });
  return tensor(numbers.dtype === "bool" ? builder.not(builder.eq(input, builder.splatLike(0, input))) : input, names);
}

/** The value that a name of the item stands for, of its numbers. */
function composed(
  drawn: Drawn,
  form: Form,
  path: string,
  numbers: ReadonlyMap<string, Val>,
  sizesAt: ReadonlyMap<string, ReadonlyMap<string, number>>,
): Val {
  const at = (one: Drawn, inner: Form, name: string | number): Val => composed(one, inner, `${path}.${name}`, numbers, sizesAt);
  if (form.kind === "none") return none;
  switch (drawn.kind) {
    case "numbers":
      return numbers.get(path)!;
    case "optional":
      return composed(drawn.of, form, path, numbers, sizesAt);
    case "own": {
      const value = composed(drawn.of, form.kind === "own" ? form.of : form, path, numbers, sizesAt);
      return value.kind === "record" ? { ...value, sizes: sizesAt.get(path)! } : value;
    }
    case "record":
      return {
        kind: "record",
        fields: new Map([...drawn.fields].map(([name, field]) => [name, at(field, (form as FormOf<"fields">).fields[name]!, name)])),
      };
    case "tuple":
      return tuple(drawn.items.map((item, i) => at(item, (form as FormOf<"items">).items[i]!, i)));
    case "list":
      return list((form as FormOf<"items">).items.map((one, i) => at(drawn.element, one, i)));
    default:
      return drawn satisfies never;
  }
}
type FormOf<K extends Form["kind"]> = Extract<Form, { kind: K }>;

function gradientsOf(
  session: Session,
  item: GradcheckItem,
  values: ReadonlyMap<string, Val>,
  scope: Scope,
  inputs: TestProgram["inputs"],
): TestProgram["gradients"] {
  const written = gradcheckCall(item);
  const args = readArgs(written.args, scope).map((arg, i) => {
    const value = values.get(arg.name ?? `argument${i}`);
    return value && drawnArgument(written.args[i]!.value, scope) ? valueArg(value, arg.span, arg.name) : arg;
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

function numbersIn(value: Val, span: Span): Extract<Val, { kind: "tensor" }>[] {
  if (value.kind === "tensor") return [value];
  if (value.kind === "list" || value.kind === "tuple") return value.items.flatMap((one) => numbersIn(one, span));
  if (value.kind === "record") return [...value.fields.values()].flatMap((one) => numbersIn(one, span));
  if (value.kind === "none" || isNumeric(value)) return [];
  return fail("type/mismatch", span, { found: describe(value), expected: "tensors, which can be differentiated" });
}
