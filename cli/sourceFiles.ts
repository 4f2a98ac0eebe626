import { readdirSync, statSync } from "node:fs";
import path from "node:path";

/** The file of a name, or all `.ada` files of a folder and the folders in it; null when there is neither. */
export function sourceFiles(where: string): readonly string[] | null {
  const found = statSync(where, { throwIfNoEntry: false });
  if (!found) return null;
  if (!found.isDirectory()) return [where];
  const files = readdirSync(where, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ada"));
  return files.sort().map((file) => path.join(where, file));
}
