import type { EvaluatePlan, PlanFileKey, PlanModel, StoredTensor, TrainPlan, WalkPlan } from "../../compiler/plan/plan.ts";
import { findCheckpoint, openCheckpoint } from "../checkpoint/checkpoint.ts";
import { type Checked, fail, good, realFiles } from "../checkpoint/files.ts";
import { floatTypes, readFloats } from "../checkpoint/floats.ts";
import { inFile } from "../checkpoint/names.ts";
import { openTensorFile } from "../checkpoint/open.ts";
import { Refused, type TensorFile } from "../checkpoint/tensorFile.ts";
import type { Session } from "../execute/session.ts";
import { operate, type Place, type Surgeon } from "./surgery.ts";
import type { TrainFailure } from "./trainer.ts";

// Models that begin from something: a run's checkpoint, or a file of tensors. In: a plan and where its sources are. Out: the values in the
// device's buffers, or what does not fit. All of a model is checked before any of it is written.

/** Where the source of a model lies on disk, for a name of a train block or a path as the program says it. */
export type FindSource = (from: string) => Promise<Checked<string>>;

/** What loading needs from outside of the plan. */
export interface ModelSources {
  readonly find: FindSource;
  readonly surgeon: Surgeon;
}

/** Puts the values of every model with a source in place. */
export async function loadModels(
  session: Session,
  program: TrainPlan | EvaluatePlan | WalkPlan,
  sources: ModelSources,
): Promise<TrainFailure | null> {
  for (const model of program.models) {
    if (model.from === null) continue;
    const loaded = await loadModel(session, program.stored, { ...model, from: model.from }, sources);
    if (!loaded.ok) return { message: `model ${model.name}: ${loaded.error.message}`, help: loaded.error.help };
  }
  return null;
}

type Model = PlanModel & { readonly from: string };

async function loadModel(session: Session, stored: readonly StoredTensor[], model: Model, sources: ModelSources): Promise<Checked<number>> {
  const { from } = model;
  const source = await sources.find(from);
  if (!source.ok) return source;
  try {
    return await loadFrom(source.value, session, stored, model, sources);
  } catch (error) {
    // What shows only when the numbers are read.
    if (error instanceof Refused) return { ok: false, error: error.error };
    throw error;
  }
}

async function loadFrom(
  source: string,
  session: Session,
  stored: readonly StoredTensor[],
  model: Model,
  sources: ModelSources,
): Promise<Checked<number>> {
  const { name } = model;
  const wanted = stored.filter((tensor) => tensor.role !== "optimizer" && tensor.key.startsWith(`${name}.`));
  const isFolder = await realFiles.stat(source).then(
    (facts) => facts.isDirectory(),
    () => !/\.\w+$/.test(source),
  );
  if (!isFolder) {
    const file = await openTensorFile(source);
    if (!file.ok) return file;
    try {
      return await copyModel(session, file.value, model, placesIn(file.value, name, model.keys, wanted), sources.surgeon);
    } finally {
      await file.value.close();
    }
  }
  const folder = await findCheckpoint(source);
  if (!folder.ok) return folder;
  const checkpoint = await openCheckpoint(folder.value);
  if (!checkpoint.ok) return checkpoint;
  try {
    const file = checkpoint.value.model;
    return await copyModel(session, file, model, placesIn(file, name, undefined, wanted), sources.surgeon);
  } finally {
    await checkpoint.value.close();
  }
}

/** By the model's `keys`, or by name: a checkpoint of ours names the model first; a file of one model alone does not. */
function placesIn(file: TensorFile, name: string, given: readonly PlanFileKey[] | undefined, wanted: readonly StoredTensor[]): Place[] {
  const keys = given && new Map(given.map((one) => [one.key, one]));
  return wanted.flatMap((tensor): readonly Place[] => {
    const found = keys?.get(tensor.key);
    if (found?.file === null) return [];
    if (found) return [{ tensor, key: inFile(file, found.file!), shape: found.shape }];
    const key = file.tensors.has(tensor.key) ? tensor.key : inFile(file, tensor.key.slice(name.length + 1));
    return [{ tensor, key, shape: tensor.shape }];
  });
}

const mostNamed = 5;

/** The name that shares most of its beginning and end with `key`, if that is most of it. */
function closest(key: string, names: readonly string[]): string | undefined {
  const shared = (name: string): number => {
    const most = Math.min(name.length, key.length);
    let head = 0;
    while (head < most && name[head] === key[head]) head++;
    let tail = 0;
    while (tail < most - head && name[name.length - 1 - tail] === key[key.length - 1 - tail]) tail++;
    return head + tail;
  };
  let best: string | undefined;
  for (const name of names) if (best === undefined || shared(name) > shared(best)) best = name;
  return best !== undefined && shared(best) > 0.6 * key.length ? best : undefined;
}

async function copyModel(
  session: Session,
  file: TensorFile,
  { name, surgery }: Model,
  places: readonly Place[],
  surgeon: Surgeon,
): Promise<Checked<number>> {
  const unbound = places.filter(({ key }) => !file.tensors.has(key));
  if (unbound.length > 0) {
    const used = new Set(places.map(({ key }) => key));
    const free = [...file.tensors.keys()].filter((key) => !used.has(key));
    const lines = unbound.slice(0, mostNamed).map(({ tensor, key }) => {
      const near = closest(key, free);
      return `${tensor.key.slice(name.length + 1)} [${tensor.shape.join(", ")}] -> ${key}${near === undefined ? "" : ` (the file has ${near})`}`;
    });
    const more = unbound.length > mostNamed ? `, and ${unbound.length - mostNamed} more` : "";
    return fail(
      "missing tensor",
      `${unbound.length} of ${places.length} parameters have no tensor in ${file.path}: ${lines.join(", ")}${more}`,
      free.length === 0
        ? "check that the file holds this model"
        : `${free.length} tensors of the file are nobody's: a \`keys\` block says which is which`,
    );
  }
  const operated = new Set(surgery?.params.map((one) => one.key));
  for (const { tensor, key, shape } of places) {
    const entry = file.tensors.get(key)!;
    if (operated.has(tensor.key) && floatTypes.includes(entry.dtype)) continue;
    if (!floatTypes.includes(entry.dtype) || entry.shape.join() !== shape.join())
      return fail(
        "wrong shape",
        `${key} is ${entry.dtype} [${entry.shape.join(", ")}] in ${file.path}; ${tensor.key} needs F32 [${shape.join(", ")}]`,
        "give the module the sizes that the file was made with",
      );
  }
  const made = places.filter(({ tensor }) => operated.has(tensor.key));
  if (made.length > 0) {
    const plan = surgeon(name, new Map(made.map(({ tensor, key }) => [tensor.key, file.tensors.get(key)!.shape])));
    if (!plan.ok) return plan;
    const done = await operate(session, plan.value, file, made);
    if (!done.ok) return done;
  }
  for (const { tensor, key } of places) {
    if (operated.has(tensor.key)) continue;
    let offset = 0;
    for await (const piece of readFloats(file, key)) {
      session.writeFloats(tensor, piece, offset);
      offset += piece.length;
    }
  }
  return good(places.length);
}
