import { type CheckedProgram, checkFully } from "../../dsl/check/index.ts";
import { loadProgram } from "../../dsl/program.ts";
import { diskHost, packageRoot } from "../../dsl/source.ts";

const root = packageRoot();
const disk = diskHost(root);

/** Checks one text as `test.ada` at the root of the project, with the real library. */
export function checkText(text: string): CheckedProgram {
  const file = `${root}/test.ada`;
  const program = loadProgram(file, {
    ...disk,
    workingFolder: root,
    exists: (absolute) => absolute === file || disk.exists(absolute),
    readFile: (absolute) => (absolute === file ? { text } : disk.readFile(absolute)),
  });
  return checkFully(program);
}
/** Checks a shipped program. */
export function checkShipped(file: string): CheckedProgram {
  return checkFully(loadProgram(file, { ...disk, workingFolder: root }));
}
