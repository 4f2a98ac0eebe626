import type { EvaluatePlan, StoredTensor, TrainPlan } from "../../compiler/plan/plan.ts";
import { findCheckpoint, openCheckpoint } from "../checkpoint/checkpoint.ts";
import { type Checked, fail, good } from "../checkpoint/files.ts";
import { floatTypes, readFloats } from "../checkpoint/floats.ts";
import { openSafetensors, type SafetensorsFile } from "../checkpoint/safetensors.ts";
import type { Session } from "../execute/session.ts";
import type { TrainFailure } from "./trainer.ts";

// Models that begin from something: a run's checkpoint, or a file of tensors. In: a plan and where its sources are. Out: the values in the
// device's buffers, or what does not fit. All of a model is checked before any of it is written.

/** Where the source of a model lies on disk, for a name of a train block or a path as the program says it. */
export type FindSource = (from: string) => Promise<Checked<string>>;

/** Puts the values of every model with a source in place. */
export async function loadModels(session: Session, program: TrainPlan | EvaluatePlan, find: FindSource): Promise<TrainFailure | null> {
  for (const model of program.models) {
    if (model.from === null) continue;
    const loaded = await loadModel(session, program.stored, model.name, model.from, find);
    if (!loaded.ok) return { message: `model ${model.name}: ${loaded.error.message}`, help: loaded.error.help };
  }
  return null;
}

async function loadModel(
  session: Session,
  stored: readonly StoredTensor[],
  name: string,
  from: string,
  find: FindSource,
): Promise<Checked<number>> {
  const source = await find(from);
  if (!source.ok) return source;
  const wanted = stored.filter((tensor) => tensor.role !== "optimizer" && tensor.key.startsWith(`${name}.`));
  if (source.value.endsWith(".safetensors")) {
    const file = await openSafetensors(source.value);
    if (!file.ok) return file;
    try {
      return await copyModel(session, file.value, name, wanted);
    } finally {
      await file.value.close();
    }
  }
  const folder = await findCheckpoint(source.value);
  if (!folder.ok) return folder;
  const checkpoint = await openCheckpoint(folder.value);
  if (!checkpoint.ok) return checkpoint;
  try {
    return await copyModel(session, checkpoint.value.model, name, wanted);
  } finally {
    await checkpoint.value.close();
  }
}

async function copyModel(session: Session, file: SafetensorsFile, name: string, wanted: readonly StoredTensor[]): Promise<Checked<number>> {
  // A checkpoint of ours names the model first; a file of one model alone does not.
  const keyIn = (tensor: StoredTensor) => (file.tensors.has(tensor.key) ? tensor.key : tensor.key.slice(name.length + 1));
  for (const tensor of wanted) {
    const entry = file.tensors.get(keyIn(tensor));
    const shape = `[${tensor.shape.join(", ")}]`;
    if (entry === undefined)
      return fail("missing tensor", `${file.path} has no tensor ${tensor.key} ${shape}`, "check that the file holds this model");
    if (!floatTypes.includes(entry.dtype) || entry.shape.join() !== tensor.shape.join())
      return fail(
        "wrong shape",
        `${tensor.key} is ${entry.dtype} [${entry.shape.join(", ")}] in ${file.path}; the program needs F32 ${shape}`,
        "give the module the sizes that the file was made with",
      );
  }
  for (const tensor of wanted) {
    let offset = 0;
    for await (const piece of readFloats(file, keyIn(tensor))) {
      session.writeFloats(tensor, piece, offset);
      offset += piece.length;
    }
  }
  return good(wanted.length);
}
