import type { PlanModel } from "../plan/plan.ts";
import type { Files } from "./files.ts";
import { fileKeys } from "./keys.ts";
import { modelsInOrder } from "./leaves.ts";
import type { Leaf } from "./program.ts";
import type { Scope } from "./scope.ts";
import { plannedSurgery } from "./surgery.ts";
import type { Val } from "./values.ts";

/** The models of a program in the order of their declaration, each with where its values come from. */
export function plannedModels(files: Files, leaves: readonly Leaf[], scope: Scope): PlanModel[] {
  return modelsInOrder(files.session).map((m) => ({
    name: m.name,
    module: m.module,
    mode: m.trained ? "trained" : "frozen",
    from: m.from,
    ...(m.keys === null ? {} : { keys: fileKeys(m.keys, m.name, leaves, withArguments(m.value, scope)) }),
    ...(m.surgery === null ? {} : { surgery: plannedSurgery(m.surgery, m.name, leaves, files.program) }),
  }));
}

/** The templates of a `keys` block may name what the network was made with. */
function withArguments(network: Val, scope: Scope): Scope {
  return network.kind === "instance" ? scope.child({ values: network.instance.args }) : scope;
}
