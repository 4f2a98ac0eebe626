import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { morph } from "./signatures.ts";

// Runs the TypeScript of a project. In: a file. Out: what it exports. Each file is made JavaScript and run once per process; it may import
// other files of the project by relative paths, packages, and what Node has.

type Exports = Readonly<Record<string, unknown>>;
const loaded = new Map<string, Exports>();

/** The exports of a file; throws what the file throws. */
export function loadHostModule(absolute: string): Exports {
  const known = loaded.get(absolute);
  if (known) return known;
  const { ts } = morph();
  const { outputText } = ts.transpileModule(readFileSync(absolute, "utf8"), {
    fileName: absolute,
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true },
  });
  const module = { exports: {} as Record<string, unknown> };
  loaded.set(absolute, module.exports);
  const own = createRequire(absolute);
  const require = (wanted: string): unknown => {
    const file = path.resolve(path.dirname(absolute), wanted);
    return wanted.startsWith(".") && /\.ts$/.test(file) && existsSync(file) ? loadHostModule(file) : own(wanted);
  };
  const run = new Function("exports", "require", "module", "__filename", "__dirname", outputText);
  try {
    run(module.exports, require, module, absolute, path.dirname(absolute));
  } catch (error) {
    loaded.delete(absolute);
    throw error;
  }
  return module.exports;
}
