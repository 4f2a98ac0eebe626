import type { Plan, PlanKernel } from "../plan/plan.ts";
import { printProblem, verifyPlan } from "../plan/verify.ts";

// Plans as files: `plan.json`, with the text of each kernel beside it in `kernels/`. In: the plans of one source file. Out: paths and texts.
// Reading gives back equal plans. Plans share kernel files: a kernel's file is named by what it does and by the hash of its text.

/** What plan.json holds. */
export interface PlanFolder {
  readonly format: 1;
  readonly madeBy: typeof madeBy;
  readonly compiler: string;
  /** The source file's name, for people. */
  readonly file: string;
  readonly sourceHash: string;
  readonly plans: readonly FolderPlan[];
}
export type FolderPlan = Omit<Plan, "kernels"> & { readonly kernels: readonly FolderKernel[] };
export type FolderKernel = Omit<PlanKernel, "wgsl"> & { readonly file: string };

const madeBy = "adac compile";
export const planFileName = "plan.json";

/** The files of a plan folder by path, without the bindings. */
export function planFolderFiles(plans: readonly Plan[], source: Pick<PlanFolder, "file" | "sourceHash">): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const folderPlans = plans.map((plan): FolderPlan => {
    const kernels = plan.kernels.map(({ wgsl, ...kernel }): FolderKernel => {
      const file = `kernels/${slug(kernel.name)}-${kernel.id}.wgsl`;
      files.set(file, wgsl);
      return { ...kernel, file };
    });
    return { ...plan, kernels };
  });
  const folder: PlanFolder = { format: 1, madeBy, compiler: plans[0]?.compiler ?? "", ...source, plans: folderPlans };
  return new Map([[planFileName, `${JSON.stringify(folder, null, 1)}\n`], ...files]);
}

/** Whether a text is the plan.json of a plan folder of any version. */
export function isPlanFolder(text: string): boolean {
  try {
    const read: unknown = JSON.parse(text);
    return typeof read === "object" && read !== null && "madeBy" in read && read.madeBy === madeBy;
  } catch {
    return false;
  }
}

export type ReadPlans =
  | { readonly ok: true; readonly plans: readonly Plan[] }
  | { readonly ok: false; readonly message: string; readonly help: string };

/** The plans of a folder; `textOf` gives the text of a file in it, or null. */
export function readPlanFolder(textOf: (file: string) => string | null): ReadPlans {
  const help = "make the folder again with `adac compile FILE -o DIR`";
  const refuse = (message: string): ReadPlans => ({ ok: false, message, help });
  const text = textOf(planFileName);
  if (text === null || !isPlanFolder(text)) return refuse(`${planFileName} is missing, or was not made by adac compile`);
  const folder = JSON.parse(text) as PlanFolder;
  if (folder.format !== 1) return refuse(`${planFileName} has the format ${String(folder.format)}; this version reads format 1`);
  const plans: Plan[] = [];
  for (const plan of folder.plans) {
    const kernels: PlanKernel[] = [];
    for (const { file, ...kernel } of plan.kernels) {
      const wgsl = textOf(file);
      if (wgsl === null) return refuse(`${file} is missing`);
      kernels.push({ ...kernel, wgsl });
    }
    const whole: Plan = { ...plan, kernels };
    const [problem] = verifyPlan(whole);
    if (problem !== undefined) return refuse(`the plan ${plan.program.name} is damaged: ${printProblem(problem)}`);
    plans.push(whole);
  }
  return { ok: true, plans };
}

/** A kernel's name as part of a file name. */
function slug(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 48)
    .replace(/-+$/, "");
  return plain === "" ? "kernel" : plain;
}
