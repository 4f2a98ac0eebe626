import type { EvaluateItem, EvaluateMember, Expr, ForStmt, MeasureStmt, ReportMember, Stmt, WriteStmt } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import { countersOf } from "../../dsl/template.ts";
import { graphValues } from "../ir/walk.ts";
import { reportKinds, statisticNames } from "../plan/statistics.ts";
import { castTo } from "./arithmetic.ts";
import { explore } from "./choices.ts";
import { metrics } from "./evaluate.ts";
import { evaluate, loopItems, withElementSizes } from "./expressions.ts";
import { fail, PathEnd, unsupported } from "./failure.ts";
import { scalarType, toHost } from "./hostExpr.ts";
import { picturesIn } from "./pictures.ts";
import type { Scope } from "./scope.ts";
import { copyEffects, type Session } from "./session.ts";
import { bindNames, endedAtMost, type Flow, runStatement } from "./statements.ts";
import { tensorsOf } from "./tensorsOf.ts";
import { describe, isScalar, type Val } from "./values.ts";
import { WalkChoices } from "./walkChoices.ts";
import { demand, type Walking, type WalkLeg, type WalkReport } from "./walkRequests.ts";
import type { WalkState } from "./walkState.ts";
import { filledText, labelOf } from "./walkTexts.ts";

// The statements of a walk, in order. In: an `evaluate` block without a data set. Out: requests to the driver, in the order in which things
// happen. Loops over folders and lines run as often as there are such; each turn makes the same graphs. Where nothing runs (`adac plan`),
// every loop is taken once, and every condition both ways.

/** One line of what a walk does, for `adac plan`. */
export interface WalkNote {
  readonly depth: number;
  readonly text: string;
  /** A path that the text is about, as it would be looked for. */
  readonly file?: string;
}
export type TextOf = (span: Expr["span"]) => string;

interface Report extends WalkReport {
  readonly keys: readonly Expr[];
}

export class BlockWalk {
  readonly session: Session;
  readonly walk: WalkState;
  readonly notes: WalkNote[] = [];
  readonly #textOf: TextOf;
  readonly #reports: readonly Report[];
  #depth = 1;

  constructor(session: Session, walk: WalkState, item: EvaluateItem, textOf: TextOf) {
    this.session = session;
    this.walk = walk;
    this.#textOf = textOf;
    this.#reports = item.members.flatMap((m) => (m.kind === "report" ? [reportOf(m)] : []));
  }

  note(text: string, file?: string): void {
    if (!this.walk.live) this.notes.push({ depth: this.#depth, text, ...(file === undefined ? {} : { file }) });
  }

  noteLeg(leg: WalkLeg, isNew: boolean): void {
    const values = isNew ? `${graphValues(leg.graph).length} values` : "the same graph";
    this.note(
      `leg ${leg.name}: ${values}; waits for ${leg.graph.results.length === 1 ? "its result" : `${leg.graph.results.length} results`}`,
    );
  }

  /** The whole block. */
  *run(item: EvaluateItem, outer: Scope): Walking<void> {
    const statements = item.members.filter(isStatement);
    yield* this.#statements(statements, outer);
    for (const report of this.#reports)
      this.note(
        `report ${report.statistics.join(", ")} by ${report.by.join(", ")} to ${report.files.map((file) => `"${file}"`).join(", ")}`,
      );
    if (this.#reports.length > 0) yield* demand({ kind: "report", reports: this.#reports.map(({ keys: _, ...report }) => report) });
  }

  *#statements(statements: readonly Stmt[], outer: Scope): Walking<Flow> {
    let scope = outer;
    for (const statement of statements) {
      const flow = yield* this.#ended(this.#statement(statement, scope));
      if (flow.kind !== "on") return flow;
      scope = flow.scope;
    }
    return { kind: "on", scope };
  }

  /** A `require` in a function that a statement calls ends the turn as one of the walk itself does. */
  *#ended(statement: Walking<Flow>): Walking<Flow> {
    try {
      return yield* statement;
    } catch (error) {
      if (!(error instanceof PathEnd)) throw error;
      const { effects } = this.session;
      yield* demand({ kind: "ended", reason: effects.ended! });
      effects.ended = null;
      return { kind: "ended" };
    }
  }

  *#statement(statement: Stmt, scope: Scope): Walking<Flow> {
    const on: Flow = { kind: "on", scope };
    switch (statement.kind) {
      case "let": {
        const { binder } = statement;
        const name = binder.kind === "ident" ? binder.name : "values";
        const value = yield* this.#value(statement.value, scope, name);
        return { kind: "on", scope: bindNames(binder, this.walk.cut(value, name), scope) };
      }
      case "for":
        return yield* this.#loop(statement, scope);
      case "if": {
        const holds = yield* this.#condition(statement.condition, scope);
        if (holds === "either") this.note(`if ${this.#textOf(statement.condition.span)}`);
        let flow: Flow = on;
        for (const [body, other] of [
          [statement.then, false],
          [statement.otherwise, true],
        ] as const) {
          if (body === null || holds === other) continue;
          if (holds === "either" && other) this.note("else");
          if (holds === "either") this.#depth++;
          flow = yield* this.#statements(body.statements, scope);
          if (holds === "either") this.#depth--;
        }
        return flow.kind === "ended" && holds !== "either" ? flow : on;
      }
      case "require": {
        const holds = yield* this.#condition(statement.condition, scope);
        const reason = statement.reason;
        if (holds === "either")
          this.note(`require ${this.#textOf(statement.condition.span)}, or the turn ends${reason === null ? "" : `: "${reason.value}"`}`);
        if (holds !== false) return on;
        const said = reason === null ? "a requirement" : String(this.walk.value(toHost(filledText(reason.value, reason.span, scope))));
        yield* demand({ kind: "ended", reason: said });
        return { kind: "ended" };
      }
      case "measure":
        yield* this.#measure(statement, scope);
        return on;
      case "write":
        yield* this.#write(statement, scope);
        return on;
      case "tap":
      case "return":
        return unsupported(`\`${statement.kind}\` in an \`evaluate\` block`, statement.span);
      default:
        return runStatement(statement, scope);
    }
  }

  /** A value, after all that it asks for has been found. Where nothing runs, the other ways to it are noted. */
  *#value(expr: Expr, scope: Scope, name: string): Walking<Val> {
    const { session, walk } = this;
    const make = () => session.inStream(name, () => evaluate(expr, scope));
    if (walk.live) return yield* walk.answered(() => WalkChoices.decided(walk, make));
    const { choices, alternatives } = yield* walk.answered(() => {
      const before = session.effects;
      try {
        return explore(
          (tried) => {
            session.choices = tried;
            session.effects = copyEffects(before);
            return endedAtMost(() => ({ kind: "returned", value: make(), span: expr.span }));
          },
          name,
          expr.span,
        );
      } finally {
        session.choices = null;
      }
    });
    if (choices.length > 0) this.note(`${name}: ${alternatives.length} ways`);
    const [first, ...others] = alternatives.flatMap(({ value }) => (value.kind === "returned" ? [value.value] : []));
    if (alternatives.some(({ value }) => value.kind !== "returned")) this.note(`${name}: may end the turn`);
    if (first === undefined) throw new PathEnd();
    session.effects.ended = null;
    for (const other of others) {
      const left = tensorsOf(walk.cut(other, `${name}, another way`)).map((t) => t.value);
      yield* walk.force(left, name);
    }
    return first;
  }

  /** Whether something holds; `either` where only a run can tell. */
  *#condition(expr: Expr, scope: Scope): Walking<boolean | "either"> {
    const value = yield* this.#value(expr, scope, "condition");
    if (value.kind === "bool") return value.value;
    if (value.kind === "host" && value.type === "bool") return this.walk.live ? Boolean(this.walk.value(value.expr)) : "either";
    if (value.kind === "tensor")
      fail(
        "time/host-value-needed",
        expr.span,
        { what: "a tensor cannot choose what is done: the condition" },
        { label: `device value (\`${value.value.dtype}\`)`, help: "wait for it: `read(…)`" },
      );
    return fail("type/mismatch", expr.span, { found: describe(value), expected: "a Bool" });
  }

  *#loop(statement: ForStmt, scope: Scope): Walking<Flow> {
    const { walk, session } = this;
    walk.binder = statement.binder.kind === "ident" ? statement.binder.name : "it";
    const over = yield* this.#value(statement.over, scope, walk.binder);
    const items = loopItems(over, statement.over.span, scope);
    const known = over.kind === "list" ? over.walk : undefined;
    if (known === "unsure") this.note(`for ${walk.binder} in ${this.#textOf(statement.over.span)}`);
    this.#depth++;
    for (const [i, item] of (known === "unsure" ? items.slice(0, 1) : items).entries()) {
      const turn = (value: Val) =>
        this.#statements(statement.body.statements, bindNames(statement.binder, value, withElementSizes(value, scope)));
      if (known !== undefined) {
        yield* walk.turnOf(i, () => turn(walk.opened(item)));
        continue;
      }
      const { stream } = session;
      session.stream = [...stream, `[${i}]`];
      yield* turn(item);
      session.stream = stream;
    }
    this.#depth--;
    return { kind: "on", scope };
  }

  *#measure(statement: MeasureStmt, scope: Scope): Walking<void> {
    const name = statement.name.name;
    if (statement.when !== null) {
      const holds = yield* this.#condition(statement.when, scope);
      if (holds === false) return;
    }
    this.note(`measure ${name}${statement.when === null ? "" : ` when ${this.#textOf(statement.when.span)}`}`);
    const { value: measured } = statement;
    if (measured.kind === "call" && measured.callee.kind === "name" && Object.hasOwn(metrics, measured.callee.name))
      unsupported(`\`${measured.callee.name}\` in a walk`, measured.span, "it compares all rows of a data set: `data face = faces(…)`");
    const value = yield* this.#value(measured, scope, name);
    const number = yield* this.#number(value, statement, name);
    const keys = this.#reports.map((report) => report.keys.map((key) => this.#keyOf(key, name, scope)));
    yield* demand({ kind: "measure", measure: { name, value: number, keys } });
  }

  *#number(value: Val, statement: MeasureStmt, name: string): Walking<number> {
    const { span } = statement.value;
    if (isScalar(value) && scalarType(value) !== "text") return Number(this.walk.value(toHost(value)));
    if (value.kind !== "tensor") return fail("type/mismatch", span, { found: describe(value), expected: "a number" });
    if (value.axes.length > 0)
      fail("shape/not-scalar", span, { what: "what is measured", found: describe(value) }, { help: "`mean(…)` is one number" });
    const [made] = yield* this.walk.force([castTo(this.session, value, "f32").value], name);
    return Number(made!.data?.[0] ?? 0);
  }

  /** What stands for a key of a report here: `metric` is the measure's name, other names are those of the loops around. */
  #keyOf(key: Expr, metric: string, scope: Scope): string {
    if (key.kind === "name" && key.name === "metric") return metric;
    const first = firstName(key);
    if (first === undefined || scope.lookup(first) === undefined) return "";
    return String(this.walk.value(labelOf(evaluate(key, scope), key.span)));
  }

  *#write({ value: expr, path }: WriteStmt, scope: Scope): Walking<void> {
    const { walk } = this;
    const value = yield* this.#value(expr, scope, "write");
    const pictures = picturesIn(value, expr.span);
    if (pictures.some((one) => one.several) && countersOf(path.value).length === 0)
      fail("elaborate/bad-setting", path.span, { key: "write", problem: "several pictures need a number in their path: `{i:05}`" });
    const file = String(walk.value(toHost(filledText(path.value, path.span, scope, ["i"]))));
    const made = yield* walk.force(
      pictures.map((one) => castTo(this.session, one.tensor, "f32").value),
      "write",
    );
    this.note("write to", file);
    for (const picture of made) yield* demand({ kind: "write", picture, file });
  }
}

const settingKinds: ReadonlySet<string> = new Set(["model", "seedMember", "dataMember", "report"]);
const isStatement = (member: EvaluateMember): member is Stmt => !settingKinds.has(member.kind);

function firstName(expr: Expr): string | undefined {
  if (expr.kind === "name") return expr.name;
  return expr.kind === "field" ? firstName(expr.base) : undefined;
}

/** `report mean, ci95 by [subject, metric] to "report.{csv,json,html}"`. */
function reportOf(member: ReportMember): Report {
  for (const { name, span } of member.names) {
    if (statisticNames.includes(name)) continue;
    const near = nearest(name, statisticNames);
    fail("name/unknown", span, { name }, { help: near ? `did you mean \`${near}\`?` : `a report has ${statisticNames.join(", ")}` });
  }
  const { by } = member;
  const keys = by.kind === "bracket" ? by.elements.flatMap((e) => (e.kind === "namedAxis" && e.name === null ? [e.value] : [])) : [by];
  const named = keys.map((key) => {
    const name = nameOf(key);
    if (name === undefined)
      fail("type/mismatch", key.span, { found: "an expression", expected: "`metric`, or the name of a loop around the measures" });
    return name;
  });
  const files = bracesOf(member.to.value);
  for (const file of files) {
    const ending = file.slice(file.lastIndexOf(".") + 1);
    if (!reportKinds.includes(ending))
      fail("elaborate/bad-setting", member.to.span, { key: "report", problem: `"${file}" ends in none of ${reportKinds.join(", ")}` });
  }
  return { statistics: member.names.map((n) => n.name), by: named, keys, files };
}
function nameOf(expr: Expr): string | undefined {
  if (expr.kind === "name") return expr.name;
  const base = expr.kind === "field" ? nameOf(expr.base) : undefined;
  return expr.kind === "field" && base !== undefined ? `${base}.${expr.name.name}` : undefined;
}

/** `a.{csv,json}` as `a.csv` and `a.json`. */
function bracesOf(path: string): string[] {
  const found = /\{([^{}]*,[^{}]*)\}/.exec(path);
  if (found === null) return [path];
  return found[1]!
    .split(",")
    .flatMap((one) => bracesOf(`${path.slice(0, found.index)}${one.trim()}${path.slice(found.index + found[0].length)}`));
}
