import type { Builder } from "../ir/builder.ts";
import type { PlanPrompt } from "../plan/plan.ts";
import { refuseItems } from "./loopBody.ts";
import { type PromptVal, plainAxis, type TensorVal, tensor } from "./values.ts";

// Prompts become inputs of the graph: tokens and positions that the host makes for each step. Equal prompts are one.

/** The axis along which tokens are counted, and the one along which a slot's positions are. */
const tokenAxis = "tokens";
const slotAxis = "slot";

/** The prompts of one elaboration, by content. */
export class Prompts {
  readonly #byContent = new Map<string, PlanPrompt>();
  readonly #textOf = new WeakMap<PromptVal["elements"], string>();

  /** The prompts in the order in which they were first needed. */
  get all(): readonly PlanPrompt[] {
    return [...this.#byContent.values()];
  }

  #of(prompt: PromptVal): PlanPrompt {
    let text = this.#textOf.get(prompt.elements);
    if (text === undefined) {
      // Tokens are made once for a step, so texts are the same in all runs of a loop.
      refuseItems(prompt.elements);
      text = JSON.stringify(prompt.elements);
      this.#textOf.set(prompt.elements, text);
    }
    const shape = prompt.axes.map((a) => a.size!);
    const key = `${prompt.length} ${shape.join()} ${text}`;
    const known = this.#byContent.get(key);
    if (known) return known;
    const made: PlanPrompt = {
      name: `prompt${this.#byContent.size}`,
      length: prompt.length,
      shape,
      elements: prompt.elements,
      slots: [...prompt.slots].map(([name, slot]) => ({ name, ...slot })),
    };
    this.#byContent.set(key, made);
    return made;
  }

  /** An input made of a prompt: `ids`, `plain`, `end`, or the positions of a slot; undefined for what it does not have. */
  field(builder: Builder, prompt: PromptVal, name: string): TensorVal | undefined {
    const { name: owner } = this.#of(prompt);
    const names = prompt.axes.map((a) => a.name);
    const make = (suffix: string, dtype: "i32" | "f32", more: readonly [string, number] | null): TensorVal => {
      const axes = more ? [...names, more[0]] : names;
      const shape = [...prompt.axes.map((a) => a.size!), ...(more ? [more[1]] : [])];
      return tensor(builder.input(`${owner}.${suffix}`, shape, { role: "data", dtype, labels: axes.map(plainAxis) }), axes);
    };
    if (name === "ids") return make("ids", "i32", [tokenAxis, prompt.length]);
    if (name === "plain") return make("plain", "f32", [tokenAxis, prompt.length]);
    if (name === "end") return make("end", "i32", null);
    const slot = prompt.slots.get(name);
    if (!slot) return undefined;
    const positions = make(name, "i32", [slotAxis, slot.count]);
    return slot.words ? { ...positions, words: make(`${name}.words`, "i32", null) } : positions;
  }
}
