import type { HostEnvironment } from "../../compiler/plan/host.ts";
import type { PlanPrompt } from "../../compiler/plan/plan.ts";
import { promptArrays, type Tokenizer } from "../../compiler/plan/prompt.ts";
import type { HostArray } from "../execute/session.ts";
import type { TrainFailure } from "./trainer.ts";

export type PromptInput =
  | { readonly ok: true; readonly array: HostArray | null } // null: the input is no part of a prompt
  | { readonly ok: false; readonly failure: TrainFailure };

const failed = (message: string, help: string): PromptInput => ({ ok: false, failure: { message, help } });

/** What the host writes into an input that is part of a prompt, or why it cannot. */
export function promptInput(
  prompts: readonly PlanPrompt[] | undefined,
  input: string,
  environment: HostEnvironment,
  tokenizer: Tokenizer | undefined,
): PromptInput {
  const dot = input.indexOf(".");
  const prompt = prompts?.find((one) => one.name === input.slice(0, dot));
  if (prompt === undefined) return { ok: true, array: null };
  if (tokenizer === undefined)
    return failed(
      "the program has prompts, and there is no tokenizer",
      "prompts need the vocabulary of the text model: vocab.json and merges.txt",
    );
  const made = promptArrays(prompt, environment, tokenizer);
  if (!made.ok)
    return failed(
      `a prompt has ${made.tokens} tokens, of which ${made.most} have room: ${made.text}`,
      "shorten its texts, or give it more room: `length:`",
    );
  const array = made.arrays[input.slice(dot + 1)];
  if (array === undefined) throw new Error(`internal: the prompt ${prompt.name} has no ${input.slice(dot + 1)}`);
  return { ok: true, array };
}
