import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

// Where source files come from. The loader sees files only through a `SourceHost`, so tests and editors can hand it files that are not on disk.

export interface SourceHost {
  /** The text of a file, or why it cannot be read. */
  readonly readFile: (absolute: string) => { readonly text: string } | { readonly reason: string };
  readonly exists: (absolute: string) => boolean;
  /** Imports of the project's files stay below this folder. */
  readonly projectRoot: string;
  /** What the entry's path is relative to; the project's folder when left out. */
  readonly workingFolder?: string;
  /** The folder of the standard library: `std/nn.ada` is `nn.ada` in it. */
  readonly stdRoot: string;
}

/** The folder of this package: the nearest one above this file that has a `package.json`. The built files lie one folder deeper than the sources. */
export function packageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, "package.json"))) {
    const above = path.dirname(folder);
    if (above === folder) throw new Error("internal: no package.json above the program's own files");
    folder = above;
  }
  return folder;
}

/** The working folder when the file lies in it; else the nearest folder around the file that is a package or a repository; else its own. */
export function projectRootOf(entry: string, workingFolder = process.cwd()): string {
  const absolute = path.resolve(workingFolder, entry);
  if (isInside(absolute, workingFolder)) return workingFolder;
  for (let folder = path.dirname(absolute); ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, "package.json")) || existsSync(path.join(folder, ".git"))) return folder;
    if (folder === path.dirname(folder)) return path.dirname(absolute);
  }
}

/** Whether a path lies in a folder (both absolute). */
export function isInside(file: string, folder: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== "" && relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

/** Reads from disk. */
export function diskHost(projectRoot: string, stdRoot = path.join(packageRoot(), "std")): SourceHost {
  return {
    projectRoot,
    workingFolder: process.cwd(),
    stdRoot,
    exists: (absolute) => existsSync(absolute) && !statSync(absolute).isDirectory(),
    readFile: (absolute) => {
      try {
        return { text: readFileSync(absolute, "utf8") };
      } catch (thrown) {
        return { reason: thrown instanceof Error ? thrown.message : String(thrown) };
      }
    },
  };
}
