import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Checked, fail, good, readError } from "../checkpoint/files.ts";
import { openSources } from "../dataset/index.ts";

// What a walk goes through: the folders of subjects with their pictures, and the lines of files.

export interface Folder {
  readonly name: string;
  readonly path: string;
  readonly images: readonly string[];
}
export interface FoldersSpec {
  readonly root: string;
  readonly files: string;
  readonly skip: string | null;
  readonly first: number | null;
}

/** The folders of a folder, sorted, each with the pictures in it. Those without pictures are passed over, and told to `onProblem`. */
export async function listFolders(spec: FoldersSpec, onProblem: (message: string) => void): Promise<Checked<readonly Folder[]>> {
  const opened = await openSources([{ ...spec, perSubject: true, onBroken: "skip" }]);
  if (opened.kind === "error") return fail("unreadable", opened.message, opened.help);
  for (const { file, message } of opened.problems) onProblem(`passed over ${file}: ${message}`);
  return good(
    opened.subjects.map((name) => {
      const images = opened.items.filter((item) => item.subject === name).map((item) => item.file);
      return { name, path: dirname(images[0]!), images };
    }),
  );
}

/** The lines of a text file, without their ends. */
export async function readLines(file: string): Promise<Checked<readonly string[]>> {
  try {
    const text = await readFile(file, "utf8");
    return good(text.replace(/^\uFEFF/, "").split(/\r?\n/));
  } catch (error) {
    return readError(file, error);
  }
}
