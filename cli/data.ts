// `adac data faces`: draws a face data set on disk. Exit status 0 when the folder is there, 1 when it could not be made, 2 for wrong usage.
import { Command, type CommanderError, InvalidArgumentError, Option } from "commander";
import { drawFaces, type FaceSet, type FaceSize, faceSets, faceSizes } from "../runtime/faces/index.ts";
import { countProgress } from "./progressCount.ts";

/** `adac data`, with its one kind so far. */
export function dataCommand(): Command {
  const wholeNumber = (text: string): number => {
    if (!/^\d+$/.test(text)) throw new InvalidArgumentError("a whole number is expected");
    return Number(text);
  };
  const faces = new Command("faces")
    .description("draw parametric faces: DIR/<subject>/00000.png with 00000_mask.png and a caption in 00000.txt")
    .usage("--out DIR --identities N --views M [options]")
    .requiredOption("--out <dir>", "folder to make; interrupted work waits in <dir>.partial")
    .requiredOption("--identities <n>", "how many people", wholeNumber)
    .requiredOption("--views <m>", "pictures of each", wholeNumber)
    .option("--seed <s>", "the same seed gives the same bytes", wholeNumber, 1)
    .addOption(new Option("--size <pixels>", "side of a picture").choices(faceSizes.map(String)).default("32"))
    .addOption(
      new Option("--set <set>", "web: captioned scenes; faces: close-ups; mix: the same people as faces; test: other people")
        .choices([...faceSets])
        .default("faces"),
    )
    .addHelpText("before", "Example: adac data faces --out data/faces --identities 200 --views 16 --seed 1\n")
    .action(async (flags: { out: string; identities: number; views: number; seed: number; size: string; set: FaceSet }) => {
      process.exitCode = await drawWithProgress({ ...flags, size: Number(flags.size) as FaceSize });
    });
  const exit = (error: CommanderError): never => process.exit(error.exitCode === 0 ? 0 : 2);
  return new Command("data")
    .description("make data sets on disk")
    .addHelpText("before", "Example: adac data faces --out data/faces --identities 200 --views 16 --seed 1\n")
    .addCommand(faces.exitOverride(exit))
    .exitOverride(exit);
}

async function drawWithProgress(request: {
  out: string;
  identities: number;
  views: number;
  seed: number;
  size: FaceSize;
  set: FaceSet;
}): Promise<number> {
  const progress = countProgress("drawing faces");
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once("SIGINT", interrupt);
  const started = performance.now();
  try {
    const result = await drawFaces({ ...request, onProgress: progress.update, signal: stop.signal });
    progress.stop();
    switch (result.kind) {
      case "drawn": {
        const seconds = (performance.now() - started) / 1000;
        console.log(`drew ${result.pictures} pictures of ${result.subjects} people in ${seconds.toFixed(1)} s: ${result.folder}`);
        return 0;
      }
      case "already there":
        console.log(`already there: ${result.pictures} pictures of ${result.subjects} people in ${result.folder}`);
        return 0;
      case "stopped":
      case "error":
        console.error(`error: ${result.message}\nhelp: ${result.help}`);
        return result.kind === "stopped" ? 130 : 1;
      default:
        return result satisfies never;
    }
  } finally {
    progress.stop();
    process.removeListener("SIGINT", interrupt);
  }
}
