import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Replaces a file's text, all or nothing: whoever reads the file meanwhile sees the old text or the new one. Links and rights stay. */
export function writeWhole(file: string, text: string): void {
  const target = realpathSync(file);
  const beside = path.join(path.dirname(target), `.${path.basename(target)}.${process.pid}`);
  try {
    writeFileSync(beside, text, { mode: statSync(target).mode });
    renameSync(beside, target);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
