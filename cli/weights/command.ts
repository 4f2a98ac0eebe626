import { Command, type CommanderError, InvalidArgumentError, Option } from "commander";
import type { Checked } from "../../runtime/checkpoint/files.ts";
import { bytes as sizeText } from "../figures.ts";
import { problemText } from "../job.ts";
import { averageWeights } from "./average.ts";
import { convertedText, convertWeights } from "./convert.ts";
import { diffWeights } from "./diff.ts";
import type { Layout } from "./layouts.ts";
import { replacePart } from "./replace.ts";
import type { FloatType } from "./sources.ts";

// `adac weights`: the words of the tools for checkpoints. Every tool reads any format and writes safetensors, whole or not at all. Exit status 0
// done, 1 something is wrong (for `diff`: the files differ), 2 wrong usage.

/** Prints what came of a tool. */
function ended<T>(result: Checked<T>, text: (value: T) => string): void {
  if (result.ok) process.stdout.write(text(result.value));
  else process.stderr.write(problemText(result.error));
  process.exitCode = result.ok ? 0 : 1;
}

const out = () => new Option("-o, --out <file>", "the .safetensors file to write").makeOptionMandatory();
const dtype = () => new Option("--dtype <type>", "what floats become (default: as they are, bit for bit)").choices(["f16", "f32"]);
const typeOf = (flag: string | undefined): { readonly to?: FloatType } =>
  flag === undefined ? {} : { to: flag === "f16" ? "F16" : "F32" };
const shares = (text: string): readonly number[] => {
  const numbers = text.split(",").map(Number);
  if (numbers.some((share) => !Number.isFinite(share))) throw new InvalidArgumentError("numbers with commas between them are expected");
  return numbers;
};

interface Flags {
  readonly out: string;
  readonly dtype?: string;
}

/** `adac weights` with its tools. */
export function weightsCommand(): Command {
  const exit = (error: CommanderError): never => process.exit(error.exitCode === 0 ? 0 : 2);
  const root = new Command("weights").description("tools for checkpoints: convert, replace parts, average, compare").exitOverride(exit);
  const tool = (usage: string, description: string, example: string): Command =>
    root.command(usage).description(description).addHelpText("before", `Example: adac weights ${example}\n`).exitOverride(exit);

  tool(
    "convert <from>",
    "convert to safetensors, to another type, or Stable Diffusion to the other layout",
    "convert sd15.ckpt -o sd15.safetensors --dtype f16",
  )
    .requiredOption("-o, --out <path>", "the .safetensors file to write; with --layout diffusers, a folder")
    .addOption(
      new Option("--layout <layout>", "ldm: all parts in one file; diffusers: each part in a file of its own").choices([
        "ldm",
        "diffusers",
      ]),
    )
    .addOption(dtype())
    .action(async (from: string, flags: Flags & { layout?: Layout }) => {
      const layout = flags.layout === undefined ? {} : { layout: flags.layout };
      ended(await convertWeights({ from, out: flags.out, ...layout, ...typeOf(flags.dtype) }), convertedText);
    });
  for (const [name, part, words] of [
    ["replace-text-encoder", "text", "text encoder"],
    ["replace-vae", "vae", "autoencoder"],
  ] as const)
    tool(
      `${name} <checkpoint>`,
      `put another ${words} into a checkpoint of Stable Diffusion`,
      `${name} sd15.ckpt --with other.safetensors -o new.safetensors`,
    )
      .requiredOption("--with <file>", `the file with the ${words}: by itself, or in a whole checkpoint`)
      .addOption(out())
      .addOption(dtype())
      .action(async (checkpoint: string, flags: Flags & { with: string }) => {
        const made = await replacePart({ checkpoint, part, donor: flags.with, out: flags.out, ...typeOf(flags.dtype) });
        ended(made, (bytes) => `${flags.out}: ${sizeText(bytes)}\n`);
      });
  tool(
    "average <file...>",
    "the mean of checkpoints of one model",
    "average a.safetensors b.safetensors --shares 0.3,0.7 -o mean.safetensors",
  )
    .option("--shares <list>", "how much each file counts (default: all the same)", shares)
    .addOption(out())
    .addOption(dtype())
    .action(async (files: string[], flags: Flags & { shares?: readonly number[] }) => {
      const given = flags.shares === undefined ? {} : { shares: flags.shares };
      ended(
        await averageWeights({ files, out: flags.out, ...given, ...typeOf(flags.dtype) }),
        (bytes) => `${flags.out}: ${sizeText(bytes)}\n`,
      );
    });
  tool("diff <first> <second>", "say how two checkpoints differ", "diff a.safetensors b.ckpt")
    .option("--json", "as JSON", false)
    .action(async (first: string, second: string, flags: { json: boolean }) => {
      const found = await diffWeights(first, second);
      ended(found, ({ same, differences }) =>
        flags.json
          ? `${JSON.stringify({ same, differences })}\n`
          : `${differences.map(({ name, kind, detail }) => `${name}: ${kind}: ${detail}\n`).join("")}${differences.length} tensors differ, ${same} are the same\n`,
      );
      if (found.ok && found.value.differences.length > 0) process.exitCode = 1;
    });
  return root;
}
