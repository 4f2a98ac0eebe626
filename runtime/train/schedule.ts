import { evaluateHost, pickIndex } from "../../compiler/plan/evalHost.ts";
import type { HostEnvironment, UniformDecl } from "../../compiler/plan/host.ts";
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
export interface MicroStep {
  readonly index: number;
  readonly environment: HostEnvironment;
  readonly step: StepPlan;
  readonly alternative: StepPlan["alternatives"][number];
}

/** What micro-step `index` does. */
export function microStepOf(program: TrainPlan, index: number): MicroStep {
  const environment = environmentOf(program.settings, index);
  const name = chooseStep(program.mix, environment);
  const step = program.steps.find((candidate) => candidate.name === name);
  if (step === undefined) throw new Error(`internal: the mix chose ${name}, which is no step of the plan`);
  const key = step.choices.map((choice) => evaluateHost(choice, environment));
  const alternative = step.alternatives.find((candidate) => candidate.key.every((value, i) => value === key[i]));
  if (alternative === undefined) throw new Error(`internal: step ${name} has no alternative for ${JSON.stringify(key)}`);
  return { index, environment, step, alternative };
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
