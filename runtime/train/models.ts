import type { EvaluatePlan, PlanModel, StoredTensor, TrainPlan, WalkPlan } from "../../compiler/plan/plan.ts";
import { bindModel } from "../checkpoint/binding.ts";
import { findCheckpoint, openCheckpoint } from "../checkpoint/checkpoint.ts";
import { type Checked, fail, good, isFolder, realFiles } from "../checkpoint/files.ts";
import { readFloats } from "../checkpoint/floats.ts";
import { openTensorFile } from "../checkpoint/open.ts";
import { Refused, type TensorFile } from "../checkpoint/tensorFile.ts";
import type { Session } from "../execute/session.ts";
import { operate, type Surgeon } from "./surgery.ts";
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
  if (!((await isFolder(realFiles, source)) ?? !/\.\w+$/.test(source))) {
    const file = await openTensorFile(source);
    if (!file.ok) return file;
    try {
      return await copyModel(session, file.value, model, wanted, sources.surgeon);
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
    return await copyModel(session, file, { ...model, keys: undefined }, wanted, sources.surgeon);
  } finally {
    await checkpoint.value.close();
  }
}

const mostNamed = 5;

async function copyModel(
  session: Session,
  file: TensorFile,
  model: Model,
  wanted: readonly StoredTensor[],
  surgeon: Surgeon,
): Promise<Checked<number>> {
  const { name } = model;
  const { places, unbound, unfit, free } = bindModel(file, model, wanted);
  if (unbound.length > 0) {
    const lines = unbound.slice(0, mostNamed).map(({ place: { tensor, key }, near }) => {
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
  const [wrong] = unfit;
  if (wrong !== undefined) {
    const { place, entry } = wrong;
    return fail(
      "wrong shape",
      `${place.key} is ${entry.dtype} [${entry.shape.join(", ")}] in ${file.path}; ${place.tensor.key} needs F32 [${place.shape.join(", ")}]`,
      "give the module the sizes that the file was made with",
    );
  }
  const operated = new Set(model.surgery?.params.map((one) => one.key));
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
