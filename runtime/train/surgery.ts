import type { Plan, StoredTensor } from "../../compiler/plan/plan.ts";
import type { Place } from "../checkpoint/binding.ts";
import { type Checked, fail, good } from "../checkpoint/files.ts";
import { wholeFloats } from "../checkpoint/floats.ts";
import type { TensorFile } from "../checkpoint/tensorFile.ts";
import { createSession, type Session } from "../execute/session.ts";

// Surgery: parameters that are made of a file's tensors instead of copied. In: a plan with a leg for each of them, and the open file. Out:
// the values in the session's buffers. One parameter after the other, so that a model need not be on the device twice.

/** Compiles the surgery of a model for the shapes that the tensors of its parameters have in a file; keys are those of `stored`. */
export type Surgeon = (model: string, shapes: ReadonlyMap<string, readonly number[]>) => Checked<Plan>;

/** Runs a surgery and writes what it makes. */
export async function operate(
  session: Session,
  plan: Plan,
  file: TensorFile,
  places: readonly Place<StoredTensor>[],
): Promise<Checked<number>> {
  const made = await createSession(session.opened, plan);
  if (!made.ok) return fail("surgery", made.failure.message, made.failure.help);
  const surgery = made.session;
  try {
    const legs = new Map(plan.legs.map((leg) => [leg.name, leg]));
    for (const { tensor, key } of places) {
      const leg = legs.get(tensor.key);
      if (leg === undefined) throw new Error(`internal: the surgery has no leg for ${tensor.key}`);
      if (leg.inputs.length > 0) surgery.writeInput(leg.name, "old", await wholeFloats(file, key));
      surgery.run(leg.name);
      const values = await surgery.readOutput(leg.name, "new");
      session.writeFloats(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
    return good(places.length);
  } finally {
    surgery.dispose();
  }
}
