import { readFileSync } from "node:fs";
import path from "node:path";
import { Command, CommanderError, InvalidArgumentError, Option, type OutputConfiguration } from "commander";
import { packageRoot } from "../dsl/source.ts";
import type { CompileFile } from "./job.ts";
import type { PlanCache } from "./planCache.ts";

// The words of the command line, and nothing else. Each command's module is loaded when it is called for, so that `adac check` does
// not wait for a compiler or a device. Exit status of every command: 0 done, 1 something is wrong with the program, the data or the machine,
// 2 wrong usage, 70 a mistake of ours, 130 stopped by the user.

export const usageError = 2;
export const ourMistake = 70;

const wholeNumber = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("a whole number is expected");
  return Number(text);
};
const assignment = (text: string, before: Readonly<Record<string, string>>): Record<string, string> => {
  const at = text.indexOf("=");
  if (at <= 0) throw new InvalidArgumentError("write it as key=value, as in --set batch=16");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
};
const settings = () =>
  new Option("--set <key=value>", "change a setting or a constant of the program; may be given several times")
    .argParser(assignment)
    .default({}, "none");
const config = () => new Option("--config <file>", "a YAML file with settings and constants; `--set` wins over it");
const driver = () =>
  new Option("--driver <driver>", "system, embedded, or the path of a Vulkan ICD file (default: ADA_DRIVER, else the best there is)");
const block = (what: string) => new Option("--block <name>", `only this ${what} (default: all of the file)`);
const target = () =>
  new Option("--target <target>", "what kernels are made for: 4 or 8 lanes on a CPU, a CPU without subgroups, or a GPU").choices([
    "cpu4",
    "cpu8",
    "cpu",
    "gpu",
  ]);
const cached = () => new Option("--no-cache", "compile everything anew, and keep no plans");
const tuned = () => new Option("--tuned <file>", "take the schedules that `adac tune` has written into this file");
const tokenizer = () =>
  new Option("--tokenizer <path>", "for prompts: a folder with merges.txt and vocab.json, or merges as published (.txt.gz)");
const faces = () => new Option("--faces <file>", "for `align_face`: a TypeScript file whose default export finds faces in pictures");
const stages = ["ast", "typed", "modules", "tensor", "grad", "simple", "precise", "fused", "tiles", "plan", "wgsl"];

interface BlockFlags {
  readonly set: Readonly<Record<string, string>>;
  readonly block?: string;
  readonly driver?: string;
}
const given = <T extends object>(flags: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };

interface CacheFlags {
  readonly cache: boolean;
}
async function openCache({ cache }: CacheFlags): Promise<PlanCache | null> {
  return cache ? (await import("./planCache.ts")).openPlanCache() : null;
}
/** How programs are compiled for the adapter at hand. */
async function compiler(flags: CacheFlags): Promise<CompileFile> {
  const [{ compileFileWith }, cache] = await Promise.all([import("./compileFile.ts"), openCache(flags)]);
  return compileFileWith(cache);
}

/** The command line of `adac`, with `data` loaded only where the words ask for it. Wrong usage throws a CommanderError. */
export async function commandLine(words: readonly string[], output: OutputConfiguration = {}): Promise<Command> {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { version: string };
  const root = new Command("adac")
    .description("compiles and runs ada programs: fused WebGPU training from one text")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .showSuggestionAfterError()
    .configureOutput(output)
    .configureHelp({ showGlobalOptions: false })
    .addHelpText("before", "Example: adac run pipelines/quickstart.ada\n")
    .addHelpText("after", "\n`adac COMMAND --help` shows an example and the options of a command.");
  const command = (usage: string, description: string, example: string): Command => {
    const made = root.command(usage).description(description).addHelpText("before", `Example: ${example}\n`);
    return made.helpOption("-h, --help", "print this help");
  };

  command("check <file...>", "read and check programs; exit 0 clean, 1 with diagnostics", "adac check pipelines/quickstart.ada")
    .option("--json", "diagnostics as JSON", false)
    .option("--fix", "first make the changes that are certain to be meant", false)
    .addOption(settings())
    .addOption(config())
    .action(async (files: string[], { set, ...flags }: { json: boolean; fix: boolean; set: Readonly<Record<string, string>> }) => {
      const { checkCommand } = await import("./check.ts");
      process.exitCode = checkCommand(files, { ...flags, overrides: set, colour: process.stdout.isTTY === true });
    });

  command("fmt [path...]", "lay out programs, all of a folder or some files", "adac fmt std models pipelines")
    .option("--check", "write nothing; exit 1 when a file would change", false)
    .option("--stdin", "read a text from standard input and print it laid out", false)
    .action(async (paths: string[], flags: { check: boolean; stdin: boolean }) => {
      const { fmtCommand } = await import("./fmt.ts");
      process.exitCode = fmtCommand(paths, { ...flags, colour: process.stderr.isTTY === true });
    });

  command("compile <file>", "make a plan folder, or print any stage of the way there", "adac compile pipelines/quickstart.ada -o plan")
    .option("-o, --out <dir>", "write plan.json, kernels/*.wgsl and plan.ts (typed bindings) into this folder")
    .addOption(new Option("--emit <stage>", "print a stage instead").choices(stages))
    .addOption(target().default("cpu4"))
    .addOption(tuned())
    .addOption(block("block"))
    .addOption(settings())
    .addOption(config())
    .addOption(cached())
    .action(async (file: string, flags: BlockFlags & CacheFlags & { out?: string; emit?: string; target: string; tuned?: string }) => {
      const [{ compileCommand }, cache] = await Promise.all([import("./compile.ts"), openCache(flags)]);
      const { set, ...rest } = flags;
      process.exitCode = await compileCommand({ file, overrides: set, ...given(rest), cache } as Parameters<typeof compileCommand>[0]);
    });

  command(
    "plan <file>",
    "say what a program costs: parameters, memory, dispatches, arithmetic",
    "adac plan pipelines/quickstart.ada --measure",
  )
    .option("--json", "one JSON array, a row per step", false)
    .option("--measure", "open the device and time each kind of kernel", false)
    .option("--dry", "only the ways through each step, their waits and effects: no kernels, no files needed", false)
    .addOption(target())
    .addOption(tuned())
    .addOption(block("block"))
    .addOption(settings())
    .addOption(config())
    .addOption(driver())
    .action(
      async (file: string, flags: BlockFlags & { json: boolean; measure: boolean; dry: boolean; target?: string; tuned?: string }) => {
        const { planCommand } = await import("./plan.ts");
        const { set, ...rest } = flags;
        process.exitCode = await planCommand({ file, overrides: set, ...given(rest) } as Parameters<typeof planCommand>[0]);
      },
    );

  command("graph <file>", "draw a step as a picture, with modules as groups", "adac graph pipelines/quickstart.ada -o graph.html")
    .requiredOption("-o, --out <file>", "an .svg, or an .html whose groups open and close")
    .option("--step <name>", "a step, or a leg such as init or update (default: the first step)")
    .addOption(
      new Option("--stage <stage>", "how far compiled").choices(["tensor", "grad", "simple", "precise", "fused", "plan"]).default("fused"),
    )
    .option("--depth <n>", "levels of groups that are open (default: what stays readable)", wholeNumber)
    .addOption(target())
    .addOption(block("block"))
    .addOption(settings())
    .addOption(config())
    .action(async (file: string, flags: BlockFlags & { out: string; step?: string; stage: string; depth?: number; target?: string }) => {
      const { graphCommand } = await import("./graph.ts");
      const { set, ...rest } = flags;
      process.exitCode = graphCommand({ file, overrides: set, ...given(rest) } as Parameters<typeof graphCommand>[0]);
    });

  command(
    "tune <file>",
    "find the fastest kernels for the adapter at hand, and remember them",
    "adac tune pipelines/quickstart.ada --most 10",
  )
    .option("-o, --out <file>", "the file of findings (default: ADA_TUNED, else in the user's cache folder, where run and eval look)")
    .option("--most <n>", "only so many buckets of shapes, those with most work first", wholeNumber)
    .option("--again", "also what is known already", false)
    .addOption(block("block"))
    .addOption(settings())
    .addOption(config())
    .addOption(driver())
    .action(async (file: string, flags: BlockFlags & { out?: string; most?: number; again: boolean }) => {
      const { tuneCommand } = await import("./tune.ts");
      const { set, ...rest } = flags;
      process.exitCode = await tuneCommand({ file, overrides: set, ...given(rest) });
    });

  command("run <file>", "train, evaluate, and write a run folder with a report", "adac run pipelines/quickstart.ada --set micro_steps=50")
    .option("--resume <dir>", "go on with a run folder, or with one of its checkpoints")
    .option("--steps <n>", "stop after this many micro-steps", wholeNumber)
    .option("--out <dir>", "where run folders are made (default: runs)")
    .option("--keep-last <n>", "how many checkpoints stay", wholeNumber)
    .addOption(tokenizer())
    .addOption(faces())
    .option("--profile", "time every kernel and line when training is over: a table, profile.json and profile.html", false)
    .addOption(block("train block"))
    .addOption(settings())
    .addOption(config())
    .addOption(driver())
    .addOption(cached())
    .action(
      async (
        file: string,
        flags: BlockFlags &
          CacheFlags & {
            resume?: string;
            steps?: number;
            out?: string;
            keepLast?: number;
            tokenizer?: string;
            faces?: string;
            profile: boolean;
          },
      ) => {
        const [{ runCommand }, compile] = await Promise.all([import("./run.ts"), compiler(flags)]);
        const { set, cache: _, ...rest } = flags;
        process.exitCode = await runCommand({ file, overrides: set, ...given(rest) }, compile);
      },
    );

  command("eval <file>", "run the evaluate blocks on what was trained before", "adac eval pipelines/quickstart.ada --run runs/quickstart-1")
    .option("--run <dir>", "the run whose models are evaluated (default: the latest)")
    .option("--out <dir>", "where run folders are (default: runs)")
    .addOption(tokenizer())
    .addOption(faces())
    .option("--json", "the metrics as JSON", false)
    .addOption(block("evaluate block"))
    .addOption(settings())
    .addOption(config())
    .addOption(driver())
    .addOption(cached())
    .action(
      async (
        file: string,
        flags: BlockFlags & CacheFlags & { run?: string; out?: string; tokenizer?: string; faces?: string; json: boolean },
      ) => {
        const [{ evalCommand }, compile] = await Promise.all([import("./eval.ts"), compiler(flags)]);
        const { set, cache: _, ...rest } = flags;
        process.exitCode = await evalCommand({ file, overrides: set, ...given(rest) }, compile);
      },
    );

  command(
    "bind <file>",
    "say which tensor of its file each parameter of a program's models is, and what is left over",
    "adac bind pipelines/stage1.ada",
  )
    .option("--all", "list every parameter with its tensor", false)
    .addOption(block("block"))
    .addOption(settings())
    .addOption(config())
    .action(async (file: string, flags: BlockFlags & { all: boolean }) => {
      const { bindCommand } = await import("./bind.ts");
      const { set, ...rest } = flags;
      process.exitCode = await bindCommand({ file, overrides: set, ...given(rest) });
    });

  command(
    "inspect <file...>",
    "print the tensors of checkpoints: names, types, shapes, from the header alone",
    "adac inspect weights/sd15.ckpt",
  )
    .option("--match <text>", "only tensors with this text in their name")
    .option("--json", "a JSON array, a row per file", false)
    .action(async (files: string[], flags: { match?: string; json: boolean }) => {
      const { inspectCommand } = await import("./inspect.ts");
      process.exitCode = await inspectCommand({ files, ...given(flags) });
    });

  command(
    "onnx <file>",
    "say what a model of ONNX consists of, and import it as a graph",
    "adac onnx det_10g.onnx --shape input.1=1,3,640,640",
  )
    .option("--emit", "print the tensor IR", false)
    .addOption(new Option("--shape <name=sizes>", "sizes of an input that are open").argParser(assignment).default({}, "the file's"))
    .action(async (file: string, flags: { emit: boolean; shape: Readonly<Record<string, string>> }) => {
      const { onnxCommand } = await import("./onnx.ts");
      process.exitCode = await onnxCommand({ file, shapes: flags.shape, emit: flags.emit });
    });

  const tokenizers = command(
    "tokenizer",
    "make a small vocabulary from texts, or show the ids of a text",
    "adac tokenizer train prompts.txt --out vocab",
  );
  tokenizers
    .command("train <file...>")
    .description("learn the merges of a vocabulary from the lines of files; the same lines give the same vocabulary")
    .requiredOption("--out <dir>", "folder for merges.txt and vocab.json")
    .option("--merges <n>", "at most so many", wholeNumber, 1000)
    .action(async (files: string[], flags: { out: string; merges: number }) => {
      const { trainTokenizerCommand } = await import("./tokenizer.ts");
      process.exitCode = await trainTokenizerCommand({ files, ...flags });
    });
  tokenizers
    .command("encode <text...>")
    .description("print the ids of texts, without the marks of begin and end")
    .addOption(tokenizer().makeOptionMandatory())
    .option("--json", "a JSON array, a row per text", false)
    .action(async (texts: string[], flags: { tokenizer: string; json: boolean }) => {
      const { encodeCommand } = await import("./tokenizer.ts");
      process.exitCode = await encodeCommand({ texts, ...flags });
    });

  if (words[0] === "weights" || (words[0] === "help" && words[1] === "weights")) {
    const { weightsCommand } = await import("./weights/command.ts");
    root.addCommand(weightsCommand());
  } else
    command(
      "weights",
      "tools for checkpoints: convert, replace parts, average, compare",
      "adac weights convert sd15.ckpt -o sd15.safetensors",
    );

  if (words.includes("data")) {
    const { dataCommand } = await import("./data.ts");
    root.addCommand(dataCommand());
  } else command("data", "make data sets on disk", "adac data faces --out data/faces --identities 200 --views 16 --seed 1");

  command("doctor", "say which adapter a run would use, what is missing, and the command that helps", "adac doctor")
    .option("--json", "everything as JSON", false)
    .action(async (flags: { json: boolean }) => {
      const { doctorCommand } = await import("./doctor.ts");
      process.exitCode = await doctorCommand(flags);
    });

  command("quickstart", "draw a small face data set, train a recogniser on it, test it on new people", "adac quickstart")
    .option("--out <dir>", "where run folders are made (default: runs)")
    .addOption(driver())
    .addOption(cached())
    .action(async (flags: CacheFlags & { out?: string; driver?: string }) => {
      const [{ quickstartCommand }, cache] = await Promise.all([import("./quickstart.ts"), openCache(flags)]);
      process.exitCode = await quickstartCommand({ ...given(flags), cache });
    });

  command(
    "import-config <file>",
    "print the settings that an AdaFace configuration (YAML) comes to, and what of it has no counterpart",
    "adac import-config v1-finetune-ada.yaml",
  ).action(async (file: string) => {
    const { importConfigCommand } = await import("./importConfig.ts");
    process.exitCode = importConfigCommand(file);
  });

  command(
    "test <file...>",
    "run the tests, properties and gradient checks of programs on the device, against their meaning",
    "adac test std/nn.ada",
  )
    .option("--seed <n>", "samples of properties follow from it", wholeNumber, 1)
    .option("--runs <n>", "samples per property (default: 20 on a device, 100 without)", wholeNumber)
    .option("--reference", "use no device: the meaning in double precision only", false)
    .addOption(driver())
    .action(async (files: string[], flags: { seed: number; runs?: number; reference: boolean; driver?: string }) => {
      const { testCommand } = await import("./runTests.ts");
      process.exitCode = await testCommand({ files, ...given(flags) } as Parameters<typeof testCommand>[0]);
    });

  command(
    "explain <code> [name] [file]",
    "say what a diagnostic means, or with `grad NAME FILE` how a loss reaches a parameter",
    "adac explain shape/axis-mismatch\n         adac explain grad recogniser.fc.weight pipelines/quickstart.ada",
  )
    .addOption(block("train block, of `grad`"))
    .addOption(settings())
    .addOption(config())
    .action(async (code: string, name: string | undefined, file: string | undefined, { set, block: only }: BlockFlags) => {
      if (code === "grad" && name !== undefined && file !== undefined) {
        const { explainGradientCommand, nameAndFile } = await import("./explainGradient.ts");
        process.exitCode = explainGradientCommand({ ...nameAndFile(name, file), overrides: set, ...given({ block: only }) });
        return;
      }
      if (code === "grad" || name !== undefined) {
        process.stderr.write("error: the words do not fit\nhelp: write `adac explain CODE`, or `adac explain grad NAME FILE`\n");
        process.exitCode = usageError;
        return;
      }
      const { explainCommand } = await import("./explain.ts");
      process.exitCode = explainCommand(code);
    });
  // A file of settings becomes `--set`s before the command runs, checked with its own positions.
  root.hook("preAction", async (_, action) => {
    const { config: file, set = {} } = action.opts<{ config?: string; set?: Readonly<Record<string, string>> }>();
    if (file === undefined) return;
    const { readConfig } = await import("./config.ts");
    const read = readConfig(file, action.args[0]!, process.stderr.isTTY === true);
    if (!read.ok) {
      process.stderr.write(read.text);
      throw new CommanderError(read.status, "adac.config", "");
    }
    action.setOptionValue("set", { ...read.overrides, ...set });
    action.setOptionValue("config", undefined);
  });
  exitOverrides(root);
  return root;
}

// Commander's own words for wrong usage stay; only the exit status is ours.
function exitOverrides(command: Command): void {
  command.exitOverride((error: CommanderError) => {
    throw error;
  });
  for (const inner of command.commands) exitOverrides(inner);
}
