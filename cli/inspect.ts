import { findCheckpoint, tensorFileNames } from "../runtime/checkpoint/checkpoint.ts";
import { type Checked, good, isFolder, realFiles } from "../runtime/checkpoint/files.ts";
import { openTensorFile } from "../runtime/checkpoint/open.ts";
import { elementsOf, type TensorEntry, type TensorFile } from "../runtime/checkpoint/tensorFile.ts";
import { bytes } from "./figures.ts";
import { problemText, processStreams, type Streams } from "./job.ts";

// `adac inspect FILE`: the tensors of a file of any format that is read, from its header alone. A folder is a run or a checkpoint of ours.

export interface InspectRequest {
  readonly files: readonly string[];
  /** Only tensors with this text in their name. */
  readonly match?: string;
  readonly json?: boolean;
  readonly streams?: Streams;
}

async function filesOf(path: string): Promise<Checked<readonly string[]>> {
  if (!(await isFolder(realFiles, path))) return good([path]);
  const folder = await findCheckpoint(path);
  return folder.ok ? good(tensorFileNames.map((name) => `${folder.value}/${name}`)) : folder;
}

function listing(file: TensorFile, shown: readonly TensorEntry[]): string {
  const width = Math.max(0, ...shown.map((entry) => entry.name.length));
  const rows = shown.map((entry) => `${entry.name.padEnd(width)}  ${entry.dtype.padEnd(4)}  [${entry.shape.join(", ")}]\n`);
  const types = [...new Set(shown.map((entry) => entry.dtype))].sort();
  const elements = shown.reduce((sum, entry) => sum + elementsOf(entry.shape), 0);
  const size = shown.reduce((sum, entry) => sum + entry.bytes, 0);
  const facts = [...file.metadata].map(([key, value]) => `${key}: ${value.length > 100 ? `${value.slice(0, 100)}…` : value}\n`);
  return `${file.path}: ${file.format}\n${facts.join("")}${rows.join("")}${shown.length} tensors, ${elements} numbers (${types.join(", ")}), ${bytes(size)}\n`;
}

/** Prints what files hold; gives the exit status. */
export async function inspectCommand({ files, match, json, streams = processStreams }: InspectRequest): Promise<number> {
  const all: unknown[] = [];
  for (const given of files) {
    const paths = await filesOf(given);
    if (!paths.ok) {
      streams.err.write(problemText(paths.error));
      return 1;
    }
    for (const path of paths.value) {
      const opened = await openTensorFile(path);
      if (!opened.ok) {
        streams.err.write(problemText(opened.error));
        return 1;
      }
      const shown = [...opened.value.tensors.values()].filter((entry) => match === undefined || entry.name.includes(match));
      if (json)
        all.push({
          path,
          format: opened.value.format,
          metadata: Object.fromEntries(opened.value.metadata),
          tensors: shown.map(({ name, dtype, shape, bytes }) => ({ name, dtype, shape, bytes })),
        });
      else streams.out.write(listing(opened.value, shown));
      await opened.value.close();
    }
  }
  if (json) streams.out.write(`${JSON.stringify(all)}\n`);
  return 0;
}
