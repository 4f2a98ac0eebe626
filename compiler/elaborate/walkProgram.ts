import type { EvaluateItem } from "../../dsl/ast.ts";
import type { PrecisionPolicy } from "../../dsl/precision.ts";
import type { Program } from "../../dsl/program.ts";
import type { Span } from "../../dsl/span.ts";
import { walk as visitNodes } from "../../dsl/walk.ts";
import type { Builder } from "../ir/builder.ts";
import type { HostKnowledge } from "../plan/host.ts";
import { listEntries, type OpenedEvaluate, openEvaluate } from "./blocks.ts";
import { walkBuiltinNames } from "./builtins/table.ts";
import { BlockWalk } from "./evaluateWalk.ts";
import { attempt, fail } from "./failure.ts";
import { collectLeaves } from "./leaves.ts";
import { plannedModels } from "./plannedModels.ts";
import { precisionOf } from "./precision.ts";
import type { Elaborated, WalkProgram } from "./program.ts";
import type { Scope } from "./scope.ts";
import { Session } from "./session.ts";
import type { Overrides } from "./settings.ts";
import { text, type Val } from "./values.ts";
import type { HostTensor, WalkAnswer, Walking, WalkLeg, WalkRequest } from "./walkRequests.ts";
import { WalkState } from "./walkState.ts";

// An `evaluate` block without a data set, twice: as the program that `adac plan` and the compiler see, with stand-ins for all that only a run
// knows, and as the walk itself, which asks for what it needs.

interface OpenedWalk extends OpenedEvaluate {
  readonly block: BlockWalk;
  /** With what only walks may call. */
  readonly inner: Scope;
}

function open(program: Program, session: Session, name: string, overrides: Overrides, live: boolean): OpenedWalk {
  const opened = openEvaluate(program, session, name, overrides, listEntries(program).walk);
  const { item, files, scope } = opened;
  session.seed = opened.seed;
  session.takesPrompts = true;
  session.walk = new WalkState(session, live);
  const textOf = (span: Span): string => (program.files.get(span.file)?.text ?? "").slice(span.start, span.end).replaceAll(/\s+/g, " ");
  if (!mentions(item, "measure") && !mentions(item, "write"))
    fail("elaborate/missing-setting", item.name.span, { name: `evaluate ${name}`, setting: "anything to `measure` or `write`" });
  const own = files.itemsOf(item.span.file);
  const free = [...walkBuiltinNames()].filter((one) => !own.has(one));
  const values = new Map<string, Val>([
    ...free.map((one): [string, Val] => [one, { kind: "builtin", name: `walk.${one}` }]),
    ["area", text("area")],
  ]);
  return { ...opened, inner: scope.child({ values }), block: new BlockWalk(session, session.walk, item, textOf) };
}

const mentions = (item: EvaluateItem, kind: "measure" | "write"): boolean => {
  let found = false;
  visitNodes(item, (node) => {
    found ||= node.kind === kind;
    return !found;
  });
  return found;
};

/** The block with the statements running as a body of their own. */
function* walking({ item, inner, block }: OpenedWalk): Walking<void> {
  const { session } = block;
  session.body = "evaluate";
  session.stream = [item.name.name];
  yield* block.run(item, inner);
  session.body = "compile";
}

const precisionIn = (program: Program, { read }: OpenedWalk): PrecisionPolicy =>
  precisionOf([], program.files.get(program.entry)!.ast.items, read.precision);

/** Elaborates a walk with stand-ins: what it would do, and the legs that it would run. */
export function elaborateWalk(program: Program, name: string, overrides: Overrides = {}): Elaborated<WalkProgram> {
  const session = new Session(0);
  const made = attempt(() => walkProgram(program, session, name, overrides));
  return made.ok ? { ok: true, value: made.value, warnings: session.warnings } : { ok: false, diagnostics: [made.diagnostic] };
}

function walkProgram(program: Program, session: Session, name: string, overrides: Overrides): WalkProgram {
  const opened = open(program, session, name, overrides, false);
  const { block } = opened;
  const legs = new Map<string, WalkLeg>();
  const walk = walking(opened);
  for (let next = walk.next(); !next.done; next = walk.next(standIn(next.value, block, legs)));
  const leaves = collectLeaves(session, () => 0);
  return {
    kind: "walk",
    name,
    builder: session.builder,
    leaves,
    models: plannedModels(opened.files, leaves, opened.scope),
    seed: opened.seed,
    legs: [...legs.values()],
    prompts: session.prompts.all,
    notes: block.notes,
    precision: precisionIn(program, opened),
  };
}

/** Side of the pictures that stand in for those of files. */
const standInSide = 512;

function standIn(request: WalkRequest, block: BlockWalk, legs: Map<string, WalkLeg>): WalkAnswer {
  const empty = (shape: readonly number[], dtype: HostTensor["dtype"] = "f32"): HostTensor => ({ dtype, shape, data: null });
  switch (request.kind) {
    case "folders": {
      block.note("reads the folders of", request.root);
      const { binder } = request;
      const image = `{a picture of ${binder}}`;
      return [{ name: `{${binder}.name}`, path: `{${binder}.path}`, images: [image, image] }];
    }
    case "lines":
      block.note("reads the lines of", request.file);
      return [];
    case "load":
      block.note("reads", request.file);
      return empty([3, standInSide, standInSide]);
    case "made": {
      const side = typeof request.args.to === "number" ? request.args.to : standInSide;
      block.note(`${request.name} on the host; may find nothing`);
      return empty([request.of.shape[0]!, side, side]);
    }
    case "prompt":
      return empty(request.shape, request.dtype);
    case "leg": {
      const { leg } = request;
      const isNew = !legs.has(leg.key);
      legs.set(leg.key, legs.get(leg.key) ?? leg);
      block.noteLeg(leg, isNew);
      return leg.graph.results.map(({ value }) => empty(value.shape, value.dtype));
    }
    case "write":
    case "measure":
    case "ended":
    case "report":
      return null;
    default:
      return request satisfies never;
  }
}

/** A walk that runs: what it asks for has to be found. Mistakes that only the files have are thrown as diagnostics by `attempt`. */
export interface LiveWalk {
  readonly builder: Builder;
  readonly precision: PrecisionPolicy;
  readonly requests: Walking<void>;
  /** What its host expressions stand for now. */
  readonly known: HostKnowledge;
}
export function startWalk(program: Program, name: string, overrides: Overrides = {}): Elaborated<LiveWalk> {
  const session = new Session(0);
  const made = attempt(() => open(program, session, name, overrides, true));
  if (!made.ok) return { ok: false, diagnostics: [made.diagnostic] };
  const known = made.value.block.walk.knowledge;
  const value = { builder: session.builder, precision: precisionIn(program, made.value), requests: walking(made.value), known };
  return { ok: true, value, warnings: session.warnings };
}

/** The next request of a walk, or the message that ends it. */
export function nextRequest(walk: LiveWalk, answer: WalkAnswer | undefined): ReturnType<typeof attempt<IteratorResult<WalkRequest, void>>> {
  return attempt(() => walk.requests.next(answer as WalkAnswer));
}
