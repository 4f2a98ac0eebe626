#!/usr/bin/env node
import { CommanderError } from "commander";
import { commandLine, ourMistake, usageError } from "./commandLine.ts";

// `adac`: runs the command line and turns what comes of it into an exit status.

async function main(): Promise<void> {
  // A reader that has seen enough (`| head`) is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  try {
    const root = await commandLine(process.argv.slice(2));
    await root.parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 || error.code === "adac.config" ? error.exitCode : usageError;
      return;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(
      `adac made a mistake, which is not your program's fault:\n${text}\nhelp: please report this with the command and the program\n`,
    );
    process.exitCode = ourMistake;
  }
}

await main();
