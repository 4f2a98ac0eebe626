import { Draws } from "../../compiler/plan/philox.ts";
import { findCheckpoint, openCheckpoint } from "../../runtime/checkpoint/checkpoint.ts";
import { openDevice } from "../../runtime/device/openDevice.ts";
import { createSession } from "../../runtime/execute/session.ts";
import { train } from "../../runtime/train/trainer.ts";
import { linearRegression, targetOf } from "../plans/linearRegression.ts";

// A process that can be killed: trains the regression in the folder it is given, going on from the latest checkpoint if there is one.

const folder = process.argv[2]!;
const opened = await openDevice({ disableRobustness: false });
if (!opened.ok) throw new Error(opened.reason);
const made = await createSession(opened, linearRegression(targetOf(opened.adapter), { microSteps: 600, saveEvery: 3, logEvery: 4 }));
if (!made.ok) throw made.failure;
const found = await findCheckpoint(folder);
const checkpoint = found.ok ? await openCheckpoint(found.value) : null;
if (checkpoint !== null && !checkpoint.ok) throw new Error(`${checkpoint.error.message}; ${checkpoint.error.help}`);
console.log(`from ${checkpoint?.value.manifest.counters.update ?? 0}`);
const source = {
  batch: async (index: number) => {
    const draws = new Draws(1, "pictures", index);
    const image = Float32Array.from({ length: 16 }, () => draws.uniform());
    const subject = Int32Array.from({ length: 4 }, (_, i) => Math.round(8 * image[4 * i]! - 4 * image[4 * i + 2]! + 3));
    return { kind: "batch", fields: { image, subject }, items: [] } as const;
  },
};
const outcome = await train(
  made.session,
  { face: source },
  { folder, keepLast: 2, ...(checkpoint === null ? {} : { resume: checkpoint.value }) },
);
console.log(outcome.kind);
process.exit(outcome.kind === "finished" ? 0 : 1);
