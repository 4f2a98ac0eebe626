import type { Program } from "../../dsl/program.ts";
import type { PlanSurgery } from "../plan/plan.ts";
import { listEntries, openEvaluate, openTrain } from "./blocks.ts";
import { attempt, unsupported } from "./failure.ts";
import type { Files } from "./files.ts";
import type { Elaborated, SurgeryProgram } from "./program.ts";
import { Session } from "./session.ts";
import type { Overrides } from "./settings.ts";
import { applyRule, type OpenedSurgery, openSurgery } from "./surgery.ts";

// The surgery of one model of a block, once the file is there: a graph for each parameter that it makes. Of the block only what the model and
// its surgery need is elaborated.

export interface SurgeryRequest {
  /** The `train` or `evaluate` block, and the model in it. */
  readonly block: string;
  readonly model: string;
  readonly surgery: string;
  readonly seed: number;
  readonly overrides?: Overrides;
  readonly params: readonly (PlanSurgery["params"][number] & {
    readonly shape: readonly number[];
    readonly inFile: readonly number[];
  })[];
}

/** Elaborates a surgery for the shapes that a file has. */
export function elaborateSurgery(program: Program, request: SurgeryRequest): Elaborated<SurgeryProgram> {
  const session = new Session(request.seed);
  const made = attempt(() => surgeryProgram(program, session, request));
  return made.ok ? { ok: true, value: made.value, warnings: session.warnings } : { ok: false, diagnostics: [made.diagnostic] };
}

function surgeryProgram(program: Program, session: Session, request: SurgeryRequest): SurgeryProgram {
  const surgery = openedIn(blockFiles(program, session, request), request);
  const { builder } = session;
  const params = request.params.map(({ key, path, axes, shape, inFile, rule }) => {
    const old = builder.input("old", inFile, { role: "data", dtype: "f32", labels: inFile.map((_, i) => `d${i}`) });
    const value = applyRule(surgery, surgery.rules[rule]!, old, { path, axes, shape });
    return { key, graph: { name: key, results: [{ name: "new", value }] } };
  });
  if (session.uniforms.length > 0) unsupported("a value of the step in a `surgery`", surgery.rules[0]!.span);
  return { name: surgery.name, builder, params };
}

/** The files with what the block puts in the place of their items. */
function blockFiles(program: Program, session: Session, { block, overrides = {} }: SurgeryRequest): Files {
  const { train, evaluate, walk } = listEntries(program);
  if (train.includes(block)) return openTrain(program, session, block, overrides).files;
  return openEvaluate(program, session, block, overrides, [...evaluate, ...walk]).files;
}

/** The surgery of the model of that name, in whichever file the model is. */
function openedIn(files: Files, { model, surgery }: SurgeryRequest): OpenedSurgery {
  for (const file of files.program.files.values())
    for (const item of file.ast.items) {
      if (item.kind !== "model" || item.name.name !== model) continue;
      files.value(item, file.id);
      const found = files.session.models.get(model)?.surgery;
      if (found?.item.name.name === surgery) return openSurgery(found);
    }
  throw new Error(`internal: no model ${model} with the surgery ${surgery}`);
}
