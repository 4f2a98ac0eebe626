import { readFileSync } from "node:fs";
import path from "node:path";
import type { CompileOptions } from "../compiler/compile.ts";
import type { KeptLeg, LegStore } from "../compiler/legContent.ts";
import { mapOps } from "../compiler/plan/ops.ts";
import type { Plan, PlanOp, PlanTarget } from "../compiler/plan/plan.ts";
import { verifyPlan } from "../compiler/plan/verify.ts";
import type { CheckedProgram } from "../dsl/check/index.ts";
import { sliceOf } from "../dsl/slice.ts";
import { type CompiledBlock, type CompiledFile, placesIn } from "./compileFile.ts";
import { hashOfCompiler, hashOfTexts, type PlanCache } from "./planCache.ts";

// What of a compilation can be taken from the cache, in three sizes: a whole file whose sources are byte for byte the ones they were is not
// even read by the compiler; otherwise each block whose slice of the program has the words that it had; of a block that has changed, each leg
// (a way through a step, the start, the update) whose graph is the one it was. Places in a kept plan are numbers of words of the slice, since
// lines move; they become places of the present text when it is taken out.

export interface KeptRequest {
  readonly file: string;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly target: PlanTarget;
  readonly block?: string;
  readonly options?: CompileOptions;
}

/** Settings of a compilation as text; null when it is watched by someone, who wants to see it happen. */
function optionsText(options: CompileOptions = {}): string | null {
  return Object.values(options).some((value) => typeof value === "function") ? null : sortedJson(options);
}
const sortedJson = (record: object): string => JSON.stringify(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

export interface KeptBlock {
  readonly key: string;
  /** Where each word of the slice stands now. */
  readonly placeOf: (word: number) => string;
  readonly wordAt: (place: string) => number | undefined;
}

/** What a block of a checked program is kept by; null if this compilation is not to be kept. */
export function keptBlock(checked: CheckedProgram, name: string, request: KeptRequest): KeptBlock | null {
  const options = optionsText(request.options);
  // What the project's TypeScript gives may be another thing each time, though its text is the same.
  if (options === null || [...checked.program.files.values()].some((file) => file.isHost)) return null;
  const slice = sliceOf(checked.program, checked.resolution, name);
  if (slice.words.includes("made")) return null;
  const settings = [hashOfCompiler(), sortedJson(request.target), sortedJson(request.overrides ?? {}), options, name];
  const placeOf = placesIn(checked);
  let words: Map<string, number> | undefined;
  const wordAt = (place: string): number | undefined => {
    words ??= new Map(slice.tokens.map((token, i) => [placeOf(token), i]));
    return words.get(place);
  };
  return { key: `block-${hashOfTexts([...settings, ...slice.words])}`, placeOf: (word) => placeOf(slice.tokens[word]!), wordAt };
}

/** Where the legs of a block are kept, each by its own content, and which were there; null if this compilation is not to be kept. */
export function keptLegs(
  cache: PlanCache,
  request: KeptRequest,
): { readonly store: LegStore; readonly legs: CompiledBlock["legs"] } | null {
  const options = optionsText(request.options);
  if (options === null) return null;
  const settings = [hashOfCompiler(), sortedJson(request.target), options];
  const keyOf = (key: string): string => `leg-${hashOfTexts([...settings, key])}`;
  const legs: { readonly name: string; readonly kept: boolean }[] = [];
  const store: LegStore = {
    take(key, name) {
      const kept = cache.read(keyOf(key)) as KeptLeg | null;
      legs.push({ name, kept: kept !== null });
      return kept;
    },
    keep: (key, _name, leg) => cache.write(keyOf(key), leg),
  };
  return { store, legs };
}

type BlockPlan = CompiledBlock["plan"];

/** Every place of a plan exchanged. */
function withPlaces(plan: BlockPlan, change: (place: string) => string): BlockPlan {
  const ops = (of: readonly PlanOp[]): PlanOp[] =>
    mapOps(of, (o) => (o.kind === "dispatch" ? { ...o, origins: o.origins.map(change) } : o));
  return { ...plan, legs: plan.legs.map((leg) => ({ ...leg, ops: ops(leg.ops) })) };
}
const withHash = (plan: BlockPlan, sourceHash: string): BlockPlan => ({ ...plan, program: { ...plan.program, sourceHash } });
const isWord = /^#\d+$/;

export function keepBlock(cache: PlanCache, kept: KeptBlock, plan: BlockPlan): void {
  const numbered = withPlaces(plan, (place) => {
    const word = kept.wordAt(place);
    return word === undefined ? place : `#${word}`;
  });
  cache.write(kept.key, withHash(numbered, ""));
}

/** The plan that was kept, with the places and the source hash of the present program; null if there is none. */
export function takeBlock(cache: PlanCache, kept: Pick<KeptBlock, "key" | "placeOf">, sourceHash: string): BlockPlan | null {
  const read = cache.read(kept.key) as BlockPlan | null;
  if (read === null) return null;
  const plan = withPlaces(withHash(read, sourceHash), (place) => (isWord.test(place) ? kept.placeOf(Number(place.slice(1))) : place));
  if (verifyPlan(plan as Plan).length === 0) return plan;
  cache.damaged(kept.key);
  return null;
}

/** What is kept of a whole file: the sources it was made from, and its blocks. */
interface KeptFile {
  readonly sources: readonly (readonly [absolute: string, hash: string])[];
  readonly sourceHash: string;
  readonly blocks: readonly { readonly key: string; readonly places: Readonly<Record<string, string>> }[];
}
function fileKey(request: KeptRequest): string | null {
  const options = optionsText(request.options);
  if (options === null) return null;
  const { file, target, overrides = {}, block = "" } = request;
  return `file-${hashOfTexts([hashOfCompiler(), process.cwd(), file, sortedJson(target), sortedJson(overrides), block, options])}`;
}

/** Keeps a file that was compiled without a warning. */
export function keepFile(
  cache: PlanCache,
  request: KeptRequest,
  checked: CheckedProgram,
  made: CompiledFile,
  kept: readonly KeptBlock[],
): void {
  const key = fileKey(request);
  if (key === null || made.warnings !== "") return;
  const blocks = made.blocks.map(({ plan }, i) => {
    const places: Record<string, string> = {};
    withPlaces(plan, (place) => {
      const word = kept[i]!.wordAt(place);
      if (word !== undefined) places[word] = place;
      return place;
    });
    return { key: kept[i]!.key, places };
  });
  const sources = [...checked.program.files.values()].map((f) => [f.absolute, hashOfTexts([f.text])] as const);
  cache.write(key, { sources, sourceHash: made.sourceHash, blocks } satisfies KeptFile);
}

/** A whole file as it was kept, if none of its sources has changed. */
export function takeFile(cache: PlanCache, request: KeptRequest): CompiledFile | null {
  const started = performance.now();
  const key = fileKey(request);
  const kept = key === null ? null : (cache.read(key) as KeptFile | null);
  if (kept === null || !kept.sources.every(([file, hash]) => hashOfFile(file) === hash)) return null;
  const plans: BlockPlan[] = [];
  for (const { key: block, places } of kept.blocks) {
    const plan = takeBlock(cache, { key: block, placeOf: (word) => places[word] ?? "" }, kept.sourceHash);
    if (plan === null) return null;
    plans.push(plan);
  }
  const compileMs = performance.now() - started;
  const blocks = plans.map((plan): CompiledBlock => ({ plan, compileMs, kept: true, legs: [] }));
  return { ok: true, blocks, sourceHash: kept.sourceHash, warnings: "" };
}
function hashOfFile(file: string): string | null {
  try {
    return hashOfTexts([readFileSync(path.resolve(file), "utf8")]);
  } catch {
    return null;
  }
}
