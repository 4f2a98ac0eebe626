import { evaluateHost, pickIndex } from "../../compiler/plan/evalHost.ts";
import type { HostDistribution, HostEnvironment, HostExpr, UniformDecl } from "../../compiler/plan/host.ts";
import { Draws } from "../../compiler/plan/philox.ts";
import type { PlanMix, TrainPlan } from "../../compiler/plan/plan.ts";

// What a micro-step does, known before anything is launched: which step, which of its alternatives, which batch, which uniforms. A pure
// function of the seed and the counters, so that the next micro-step can be prepared while this one runs, and a resumed run goes the same way.

/** The counters of a micro-step as host expressions see them. */
export function environmentOf(settings: TrainPlan["settings"], microStep: number): HostEnvironment {
  return {
    seed: settings.seed,
    microStep,
    update: Math.floor(microStep / settings.accumulate),
    progress: microStep / settings.microSteps,
  };
}

/** The stream of the draws that choose among steps. */
const mixStream = "mix";

/** The step that the mix chooses. `every` counts updates, so that all micro-steps of an update agree; weights are drawn per micro-step. */
export function chooseStep(mix: PlanMix, environment: HostEnvironment): string {
  switch (mix.kind) {
    case "every":
      return chooseStep(environment.update % mix.count === 0 ? mix.mix : mix.otherwise, environment);
    case "of": {
      const weights = mix.choices.map((choice) => Math.max(0, Number(evaluateHost(choice.weight, environment))));
      const chosen = pickIndex(weights, new Draws(environment.seed, mixStream, environment.microStep).uniform());
      return mix.choices[chosen]!.step;
    }
    default:
      return mix satisfies never;
  }
}

type StepPlan = TrainPlan["steps"][number];
export type Way = StepPlan["alternatives"][number];
export interface MicroStep {
  readonly index: number;
  readonly environment: HostEnvironment;
  readonly step: StepPlan;
}

/** Which step micro-step `index` is. */
export function microStepOf(program: TrainPlan, index: number): MicroStep {
  const environment = environmentOf(program.settings, index);
  const name = chooseStep(program.mix, environment);
  const step = program.steps.find((candidate) => candidate.name === name);
  if (step === undefined) throw new Error(`internal: the mix chose ${name}, which is no step of the plan`);
  return { index, environment, step };
}

/** The ways through a step that agree with what is known after `done` of its reads; all of them begin with the same legs. */
export function waysOf(step: StepPlan, environment: HostEnvironment, done: ReadonlySet<string>): readonly Way[] {
  let ways: readonly Way[] = step.alternatives;
  for (const [i, choice] of step.choices.entries()) {
    if (!ways.some((way) => way.key[i] !== null) || waitsFor(choice, done)) continue;
    const value = evaluateHost(choice, environment);
    ways = ways.filter((way) => way.key[i] === null || way.key[i] === value);
  }
  if (ways.length === 0) throw new Error(`internal: no way through step ${step.name} agrees with its choices`);
  return ways;
}

/** Whether an expression needs a read that has not been done. */
function waitsFor(expr: HostExpr, done: ReadonlySet<string>): boolean {
  switch (expr.kind) {
    case "read":
      return !done.has(expr.name);
    case "op":
    case "item":
      return expr.args.some((arg) => waitsFor(arg, done));
    case "if":
      return [expr.condition, expr.then, expr.otherwise].some((one) => waitsFor(one, done));
    case "any":
      return expr.of.some((one) => waitsFor(one, done));
    case "join":
      return expr.parts.some((one) => waitsFor(one, done));
    case "held":
    case "taken":
    case "row":
      return waitsFor(expr.key, done);
    case "draw":
      return distributionParts(expr.distribution).some((one) => waitsFor(one, done));
    default:
      return false;
  }
}

function distributionParts(d: HostDistribution): readonly HostExpr[] {
  switch (d.kind) {
    case "uniform":
    case "integer":
      return [d.low, d.high];
    case "coin":
      return [d.probability];
    case "pick":
      return d.atMost === null ? d.weights : [...d.weights, d.atMost];
    default:
      return [];
  }
}

/** Writes the uniforms of a micro-step as the words that kernels read. */
export function uniformWords(uniforms: readonly UniformDecl[], environment: HostEnvironment, words: Uint32Array): void {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  const integers = new Int32Array(words.buffer, words.byteOffset, words.length);
  for (const [i, uniform] of uniforms.entries()) {
    const value = Number(evaluateHost(uniform.expr, environment));
    switch (uniform.dtype) {
      case "f32":
        floats[i] = value;
        break;
      case "i32":
        integers[i] = value;
        break;
      case "u32":
        words[i] = value;
        break;
      default:
        uniform.dtype satisfies never;
    }
  }
}
