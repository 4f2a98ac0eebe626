import path from "node:path";
import type { PlanDataset } from "../compiler/plan/plan.ts";
import { packageRoot } from "../dsl/source.ts";
import { drawFaces, type FacesRequest } from "../runtime/faces/index.ts";
import { clockText } from "../runtime/log/progress.ts";
import { compileBlocks, compileFileWith, isTrain } from "./compileFile.ts";
import { problemText } from "./job.ts";
import type { PlanCache } from "./planCache.ts";
import { countProgress } from "./progressCount.ts";
import { runCommand } from "./run.ts";
import { defaultTarget, namedTargets } from "./target.ts";

// `adac quickstart`: everything once, small. Draws the faces that pipelines/quickstart.ada names (unless they are there), trains, evaluates
// on people it has never seen, and says where the report is. Stopping it anywhere loses nothing: the same command goes on.

export interface QuickstartRequest {
  readonly out?: string;
  readonly driver?: string;
  readonly cache?: PlanCache | null;
}

/** What is drawn for each of the program's folders, by the last name in its path. */
const drawings: Readonly<Record<string, Omit<FacesRequest, "size">>> = {
  train: { seed: 1, set: "faces", identities: 400, views: 12 },
  test: { seed: 1, set: "test", identities: 60, views: 16 },
};

/** Runs the command; gives the exit status. */
export async function quickstartCommand(request: QuickstartRequest): Promise<number> {
  const started = performance.now();
  const { cache = null, ...settings } = request;
  const file = path.relative(process.cwd(), path.join(packageRoot(), "pipelines", "quickstart.ada"));
  const compiled = compileBlocks({ file, target: namedTargets[defaultTarget], cache });
  if (!compiled.ok) {
    process.stderr.write(compiled.text);
    return compiled.status;
  }
  const specs = compiled.blocks.flatMap(({ plan }): readonly PlanDataset[] => {
    if (isTrain(plan)) return plan.program.datasets.map((data) => data.spec);
    return plan.program.kind === "evaluate" && plan.program.dataset !== null ? [plan.program.dataset.spec] : [];
  });
  for (const { source } of specs) {
    const status = await drawFolder(source.root);
    if (status !== 0) return status;
  }
  let isStopped = false; // a run that was stopped is saved and no failure, but it is not the whole quickstart either
  const stopped = () => {
    isStopped = true;
  };
  process.once("SIGINT", stopped);
  process.once("SIGTERM", stopped);
  const status = await runCommand({ file, ...settings }, compileFileWith(cache));
  process.removeListener("SIGINT", stopped);
  process.removeListener("SIGTERM", stopped);
  if (status === 0 && !isStopped) process.stdout.write(`quickstart took ${clockText((performance.now() - started) / 1000)} in all\n`);
  return status;
}

/** Draws one folder of the program, or finds it there. */
async function drawFolder(out: string): Promise<number> {
  const drawing = drawings[path.basename(out)];
  if (drawing === undefined) throw new Error(`internal: quickstart.ada reads ${out}, which nobody draws`);
  const progress = countProgress(`drawing ${out}`);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  const started = performance.now();
  try {
    const drawn = await drawFaces({ ...drawing, size: 32, out, onProgress: progress.update, signal: stop.signal });
    progress.stop();
    switch (drawn.kind) {
      case "drawn":
        process.stderr.write(
          `drew ${drawn.pictures} pictures of ${drawn.subjects} people in ${((performance.now() - started) / 1000).toFixed(1)} s: ${out}\n`,
        );
        return 0;
      case "already there":
        return 0;
      case "stopped":
        process.stderr.write(`${drawn.message}; ${drawn.help}\n`);
        return 130;
      case "error":
        // The folder's place is the program's, so advice to name another one does not hold here.
        process.stderr.write(
          problemText({
            message: drawn.message,
            help: drawn.help.includes("--out") ? `delete ${out}, then run the same command again` : drawn.help,
          }),
        );
        return 1;
      default:
        return drawn satisfies never;
    }
  } finally {
    progress.stop();
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
}
