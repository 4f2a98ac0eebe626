import type { EvaluateItem } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { PrecisionPolicy } from "../../dsl/precision.ts";
import type { Program } from "../../dsl/program.ts";
import type { Span } from "../../dsl/span.ts";
import type { Builder } from "../ir/builder.ts";
import type { HostKnowledge } from "../plan/host.ts";
import { walkBuiltinNames } from "./builtins/table.ts";
import { BlockWalk } from "./evaluateWalk.ts";
import { attempt, fail } from "./failure.ts";
import { entrySpan, Files, findItem, type Replacements } from "./files.ts";
import { collectLeaves } from "./leaves.ts";
import { plannedModels } from "./plannedModels.ts";
import { precisionOf } from "./precision.ts";
import type { Elaborated, WalkProgram } from "./program.ts";
import type { Scope } from "./scope.ts";
import { Session } from "./session.ts";
import { type Overrides, readOverrides } from "./settings.ts";
import { listEntries, replacing } from "./train.ts";
import { text, type Val } from "./values.ts";
import type { HostTensor, WalkAnswer, Walking, WalkLeg, WalkRequest } from "./walkRequests.ts";
import { WalkState } from "./walkState.ts";

// An `evaluate` block without a data set, twice: as the program that `adac plan` and the compiler see, with stand-ins for all that only a run
// knows, and as the walk itself, which asks for what it needs.

interface OpenedWalk {
  readonly item: EvaluateItem;
  readonly files: Files;
  readonly fileScope: Scope;
  readonly scope: Scope;
  readonly block: BlockWalk;
  readonly seed: number;
  readonly precision: PrecisionPolicy;
}

function open(program: Program, name: string, overrides: Overrides, live: boolean): OpenedWalk {
  const session = new Session(0);
  const read = readOverrides(program, name, overrides);
  const replacements: Replacements = { items: new Map(), values: new Map(read.constants), trainedByDefault: false, allFrozen: true };
  const files: Files = new Files(program, session, replacements);
  const found = findItem(files, "evaluate", name);
  if (!found) {
    const known = listEntries(program).walk;
    const near = nearest(name, known) ?? known[0];
    return fail("elaborate/unknown-entry", entrySpan(program), { kind: "evaluate", name }, near ? { help: `there is \`${near}\`` } : {});
  }
  const { item, file } = found;
  const fileScope = files.scope(file);
  for (const [original, replacement] of replacing(
    () => files,
    () => fileScope,
    item.members,
  ))
    replacements.items.set(original, replacement);
  const seed = read.settings.get("seed") ?? item.members.findLast((m) => m.kind === "seedMember")?.value ?? 0;
  session.seed = seed;
  session.takesPrompts = true;
  session.walk = new WalkState(session, live);
  const textOf = (span: Span): string => (program.files.get(span.file)?.text ?? "").slice(span.start, span.end).replaceAll(/\s+/g, " ");
  if (!mentions(item, "measure") && !mentions(item, "write"))
    fail("elaborate/missing-setting", item.name.span, { name: `evaluate ${name}`, setting: "anything to `measure` or `write`" });
  return {
    item,
    files,
    fileScope,
    scope: fileScope.child({
      values: new Map<string, Val>([
        ...[...walkBuiltinNames()]
          .filter((one) => !files.itemsOf(file).has(one))
          .map((one): [string, Val] => [one, { kind: "builtin", name: `walk.${one}` }]),
        ["area", text("area")],
      ]),
    }),
    block: new BlockWalk(session, session.walk, item, textOf),
    seed,
    precision: precisionOf([], program.files.get(program.entry)!.ast.items, read.precision),
  };
}

function mentions(node: unknown, kind: string): boolean {
  if (Array.isArray(node)) return node.some((one) => mentions(one, kind));
  if (typeof node !== "object" || node === null) return false;
  return (node as { readonly kind?: string }).kind === kind || Object.values(node).some((one) => mentions(one, kind));
}

/** The block with the statements running as a body of their own. */
function* walking({ item, scope, block }: OpenedWalk): Walking<void> {
  const { session } = block;
  session.body = "evaluate";
  session.stream = [item.name.name];
  yield* block.run(item, scope);
  session.body = "compile";
}

/** Elaborates a walk with stand-ins: what it would do, and the legs that it would run. */
export function elaborateWalk(program: Program, name: string, overrides: Overrides = {}): Elaborated<WalkProgram> {
  const made = attempt(() => {
    const opened = open(program, name, overrides, false);
    const { block, files, fileScope } = opened;
    const legs = new Map<string, WalkLeg>();
    const walk = walking(opened);
    for (let next = walk.next(); !next.done; next = walk.next(standIn(next.value, block, legs)));
    const { session } = block;
    const leaves = collectLeaves(session, () => 0);
    const value: WalkProgram = {
      kind: "walk",
      name,
      builder: session.builder,
      leaves,
      models: plannedModels(files, leaves, fileScope),
      seed: opened.seed,
      legs: [...legs.values()],
      prompts: session.prompts.all,
      notes: block.notes,
      precision: opened.precision,
    };
    return { value, warnings: session.warnings };
  });
  return made.ok ? { ok: true, ...made.value } : { ok: false, diagnostics: [made.diagnostic] };
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
    case "prompt": {
      const { prompt, input } = request;
      const field = input.slice(input.indexOf(".") + 1);
      const slot = prompt.slots.find((one) => one.name === field);
      const inner = field === "ids" || field === "plain" ? [prompt.length] : slot === undefined ? [] : [slot.count];
      return empty([...prompt.shape, ...inner], field === "plain" ? "f32" : "i32");
    }
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
  const made = attempt(() => open(program, name, overrides, true));
  if (!made.ok) return { ok: false, diagnostics: [made.diagnostic] };
  const { block, precision } = made.value;
  return {
    ok: true,
    value: { builder: block.session.builder, precision, requests: walking(made.value), known: block.walk.knowledge },
    warnings: block.session.warnings,
  };
}

/** The next request of a walk, or the message that ends it. */
export function nextRequest(walk: LiveWalk, answer: WalkAnswer | undefined): ReturnType<typeof attempt<IteratorResult<WalkRequest, void>>> {
  return attempt(() => walk.requests.next(answer as WalkAnswer));
}
