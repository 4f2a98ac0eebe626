import type { Plan } from "../../compiler/plan/plan.ts";
import type { OpenedDevice } from "../device/openDevice.ts";
import { createSession } from "../execute/session.ts";
import type { HostArray, Prepared, TuneBench } from "./tune.ts";

// The tuner's bench on a device: each plan is a session of its own whose outputs are poisoned before every run, so that nothing that an
// earlier candidate left passes for a result. Poison costs all candidates the same.

export function deviceBench(opened: OpenedDevice): TuneBench {
  return {
    prepare: async (plan: Plan, inputs: ReadonlyMap<string, HostArray>): Promise<Prepared | string> => {
      const made = await createSession(opened, plan, { poison: true });
      if (!made.ok) return made.failure.message;
      const { session } = made;
      for (const { name } of plan.legs[0]!.inputs) session.writeInput("main", name, inputs.get(name)!);
      session.run("main");
      await session.finish();
      return {
        output: (name) => session.readOutput("main", name),
        timed: async (repeats) => {
          const started = performance.now();
          for (let i = 0; i < repeats; i++) session.run("main");
          await session.finish();
          return performance.now() - started;
        },
        release: () => session.dispose(),
      };
    },
  };
}
