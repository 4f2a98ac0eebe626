import { writeFileSync } from "node:fs";
import path from "node:path";
import type { CompileOptions } from "../compiler/compile.ts";
import type { Region } from "../compiler/fuse/region.ts";
import type { Graph, Value } from "../compiler/ir/value.ts";
import type { EvaluatePlan, Plan, PlanOp, TrainPlan, WalkPlan } from "../compiler/plan/plan.ts";
import { didYouMean } from "../dsl/nearest.ts";
import { compileBlock, elaborateFile, type FileFailure, placesIn } from "./compileFile.ts";
import { draw, graphPage } from "./graph/page.ts";
import { type Picture, pictureOfGraph, pictureOfKernels, pictureOfPlan } from "./graph/picture.ts";
import { type Problem, problemText, processStreams, type Streams } from "./job.ts";
import { defaultTarget, namedTargets, type TargetName } from "./target.ts";

// `adac graph FILE`: one step at one stage as a picture that a person can read: `-o x.svg`, or `-o x.html` with groups that open and close.

export const graphStages = ["tensor", "grad", "simple", "precise", "fused", "plan"] as const;
export type GraphStage = (typeof graphStages)[number];

export interface GraphRequest {
  readonly file: string;
  readonly out: string;
  /** A step, or any leg of the plan (`init`, `update`, `name.next`); default: the first step of the block. */
  readonly step?: string;
  readonly stage?: GraphStage;
  readonly block?: string;
  /** How many levels of groups are open; default: as many as stay readable. */
  readonly depth?: number;
  readonly target?: TargetName;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly options?: CompileOptions;
  readonly streams?: Streams;
}

/** Boxes that a picture may have before groups stay closed by themselves. */
const readable = 90;
/** Boxes that are laid out at all when `--depth` asks for them: more take minutes. */
const most = 800;

/** Runs the command; gives the exit status. */
export function graphCommand(request: GraphRequest): number {
  const streams = request.streams ?? processStreams;
  const kind = path.extname(request.out);
  if (kind !== ".svg" && kind !== ".html") {
    streams.err.write(problemText({ message: `${request.out} is neither .svg nor .html`, help: "name the file as in -o graph.html" }));
    return 2;
  }
  const made = pictureOf(request, streams.err.isTTY === true);
  if ("status" in made) {
    streams.err.write(made.text);
    return made.status;
  }
  const { picture, warnings, note } = made;
  const { depth } = request;
  const open = depth === undefined ? draw.opened(picture, Number.POSITIVE_INFINITY, readable) : draw.opened(picture, depth, most);
  const levels = Math.max(-1, ...[...open].map((name) => draw.groups(picture).get(name)!)) + 1;
  if (depth !== undefined && levels < Math.min(depth, Math.max(0, ...[...draw.groups(picture).values()].map((at) => at + 1))))
    streams.err.write(
      `warning: more than ${most} boxes cannot be laid out; ${levels} levels are open\nhelp: on a page (-o x.html) single groups open by themselves\n`,
    );
  try {
    writeFileSync(request.out, kind === ".svg" ? `${draw.svg(picture, open)}\n` : graphPage(picture, open));
  } catch (error) {
    streams.err.write(
      problemText({
        message: `${request.out} could not be written: ${error instanceof Error ? error.message : String(error)}`,
        help: "name a file in a folder that exists",
      }),
    );
    return 1;
  }
  const closed = draw.groups(picture).size - open.size;
  streams.err.write(
    `${warnings}${request.out}: ${picture.title}, ${picture.nodes.length} boxes${closed > 0 ? `, ${closed} groups closed (--depth opens more)` : ""}\n${note}`,
  );
  return 0;
}

interface Made {
  readonly picture: Picture;
  readonly warnings: string;
  readonly note: string;
}

/** The picture that a request asks for, or why there is none. */
export function pictureOf(request: GraphRequest, colour = false): Made | FileFailure {
  const stage = request.stage ?? "fused";
  const made = elaborateFile({ ...request, colour });
  if (!made.ok) return made;
  const block = made.blocks[0]!;
  const graphs = new Map<string, Graph>();
  const regionOf = new Map<PlanOp, Region>();
  const plan = compileBlock(block, made, {
    target: namedTargets[request.target ?? defaultTarget],
    options: {
      ...request.options,
      onStage: (of, leg, _text, graph) => {
        if (of === stage && graph !== undefined && !graphs.has(leg)) graphs.set(leg, graph);
      },
      onKernel: (op, _kernel, region) => regionOf.set(op, region),
    },
  });
  if ("ok" in plan) return plan;
  const leg = legFor(plan, request.step);
  if (typeof leg !== "string") return { ok: false, status: 2, text: problemText(leg) };
  const title = `${plan.program.name}: ${leg}, ${stage}`;
  const placeOf = placesIn(made.checked);
  const placesOf = (v: Value): string[] => v.origins.slice(0, 3).map(({ span }) => placeOf(span));
  const others = plan.legs.map((l) => l.name).filter((name) => name !== leg);
  const note = request.step === undefined && others.length > 0 ? `other legs: ${others.join(", ")} (--step)\n` : "";
  const result = (picture: Picture): Made => ({ picture, warnings: made.warnings, note });
  if (stage === "fused") return result(pictureOfKernels(plan, leg, regionOf, title));
  if (stage === "plan") return result(pictureOfPlan(plan, leg, regionOf, title));
  // An evaluate block's tensor graph goes by the block's name, the legs that follow by `main`.
  // A leg that begins gradients is, but for the clearing, the one that adds to them.
  const ways = plan.program.kind === "train" ? plan.program.steps.flatMap((s) => s.alternatives) : [];
  const graph = graphs.get(leg) ?? graphs.get(ways.find((way) => way.first === leg)?.next ?? plan.program.name);
  if (graph !== undefined) return result(pictureOfGraph(graph, title, placesOf));
  const problem = { message: `leg ${leg} has no stage ${stage}`, help: "the stages simple, fused and plan exist for every leg" };
  return { ok: false, status: 2, text: problemText(problem) };
}

function legFor(plan: Plan & { readonly program: TrainPlan | EvaluatePlan | WalkPlan }, wanted: string | undefined): string | Problem {
  const { program } = plan;
  const steps =
    program.kind === "train"
      ? program.steps.map((s) => [s.name, s.alternatives[0]!.next] as const)
      : program.kind === "walk"
        ? Object.entries(program.legs).map(([leg, name]) => [name, leg] as const)
        : [];
  if (wanted === undefined)
    return program.kind === "evaluate" ? program.leg : (steps[0]?.[1] ?? (program.kind === "train" ? program.updateLeg : program.initLeg));
  const known = new Map([...plan.legs.map((l) => [l.name, l.name] as const), ...steps]);
  const leg = known.get(wanted);
  if (leg !== undefined) return leg;
  const names = [...known.keys()];
  return {
    message: `${program.name} has no step or leg ${wanted}`,
    help: didYouMean(wanted, names) ?? `there are ${names.join(", ")}`,
  };
}
