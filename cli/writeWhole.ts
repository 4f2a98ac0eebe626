import { realpathSync, statSync } from "node:fs";
import { replaceFileSync } from "../runtime/checkpoint/files.ts";

/** Replaces a file's text, all or nothing. Links and rights stay. */
export function writeWhole(file: string, text: string): void {
  const target = realpathSync(file);
  replaceFileSync(target, text, statSync(target).mode);
}
