import path from "node:path";
import fc from "fast-check";
import { compileBlocks } from "../../cli/compileFile.ts";
import { namedTargets } from "../../cli/target.ts";
import { compileGraph } from "../../compiler/compile.ts";
import type { Plan, PlanTarget } from "../../compiler/plan/plan.ts";
import { packageRoot } from "../../dsl/source.ts";
import { programs } from "../../test/properties/programs.ts";

// What a replay compiles: the shipped pipelines, small networks of the library forward and backward, and random programs of a fixed seed over
// all primitives, each for adapters of several kinds. In: nothing. Out: plans by name; the same every time as long as the compiler is.

const textures: PlanTarget = { ...namedTargets.cpu8, textureOperands: true };
const targets = { ...namedTargets, textures } as const;
type TargetName = keyof typeof targets;

interface Entry {
  readonly file: string;
  readonly block: string;
  readonly targets: readonly TargetName[];
}
const all: readonly TargetName[] = ["cpu4", "cpu8", "cpu", "gpu", "textures"];
const few: readonly TargetName[] = ["cpu4", "textures"];
const entries: readonly Entry[] = [
  { file: "pipelines/quickstart.ada", block: "quickstart", targets: all },
  { file: "pipelines/quickstart.ada", block: "held_out", targets: few },
  { file: "pipelines/linear.ada", block: "linear", targets: few },
  { file: "tools/replay/models.ada", block: "naming", targets: all },
  { file: "tools/replay/models.ada", block: "denoising", targets: few },
  { file: "tools/replay/models.ada", block: "coding", targets: few },
];
const randomPrograms = 60;

/** All plans of the corpus, made one after the other; `only`: those whose name holds this. */
export function* corpus(only = ""): Generator<{ readonly name: string; readonly plan: Plan }> {
  for (const { file, block, targets: wanted } of entries) {
    for (const target of wanted) {
      const name = `${block}.${target}`;
      if (!name.includes(only)) continue;
      const made = compileBlocks({ file: path.join(packageRoot(), file), block, target: targets[target] });
      if (!made.ok) throw new Error(`the corpus does not compile: ${made.text}`);
      yield { name, plan: withoutRoot(made.blocks[0]!.plan) };
    }
  }
  for (const [i, { graph }] of fc.sample(programs({ steps: 14 }), { seed: 7, numRuns: randomPrograms }).entries()) {
    const target = all[i % all.length]!;
    const name = `random${i}.${target}`;
    if (name.includes(only)) yield { name, plan: compileGraph(graph, [], targets[target]) };
  }
}

/** Spans carry the path by which a file was given, which differs from tree to tree. */
function withoutRoot(plan: Plan): Plan {
  const root = `${packageRoot()}${path.sep}`;
  return JSON.parse(JSON.stringify(plan).replaceAll(JSON.stringify(root).slice(1, -1), "")) as Plan;
}
