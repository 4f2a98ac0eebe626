import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { diagnosticTable } from "../dsl/diagnostics.ts";
import { didYouMean } from "../dsl/nearest.ts";
import { packageRoot } from "../dsl/source.ts";

// `adac explain CODE`: prints the page of a diagnostic. Every code has one; a test holds them together.

/** The page of a code, relative to the package. */
export const pageOf = (code: string): string => path.posix.join("spec", "diagnostics", `${code}.md`);

/** Prints the page of a code; exit status 2 for a code that does not exist. */
export function explainCommand(code: string): number {
  const codes = Object.keys(diagnosticTable);
  if (!codes.includes(code)) {
    const group = codes.filter((known) => known.startsWith(`${code}/`));
    const near =
      didYouMean(code, codes) ??
      (group.length > 0
        ? `the codes of ${code} are ${group.join(", ")}`
        : "a code stands in brackets or first in each message, as in name/unknown");
    process.stderr.write(`error: there is no diagnostic "${code}"\nhelp: ${near}\n`);
    return 2;
  }
  const file = path.join(packageRoot(), pageOf(code));
  if (!existsSync(file)) throw new Error(`internal: ${code} has no page`);
  process.stdout.write(readFileSync(file, "utf8"));
  return 0;
}
