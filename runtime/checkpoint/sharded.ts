import { basename, dirname, join } from "node:path";
import { type Checked, type Files, realFiles } from "./files.ts";
import { parseJson } from "./headerJson.ts";
import { checked, damaged, type TensorEntry, type TensorFile } from "./tensorFile.ts";

// A model in several files, with an index that says which tensor lies in which. The files lie beside the index and nowhere else.

const largestIndex = 100_000_000;

/** Opens an index and the files that it names. */
export function openSharded(
  path: string,
  open: (path: string, files: Files) => Promise<Checked<TensorFile>>,
  files: Files = realFiles,
): Promise<Checked<TensorFile>> {
  return checked(path, async () => {
    const { size } = await files.stat(path);
    if (size > largestIndex) damaged(path, null, `an index of ${size} bytes is none`);
    const parsed = parseJson(new TextDecoder().decode(await files.readFile(path)));
    if (!parsed.ok) return damaged(path, parsed.at, `it is not JSON: ${parsed.problem}`);
    const map = parsed.value instanceof Map ? (parsed.value as ReadonlyMap<string, unknown>).get("weight_map") : undefined;
    if (!(map instanceof Map)) return damaged(path, null, "it has no weight_map");
    const parts = new Map<string, TensorFile>();
    const close = async () => {
      for (const part of parts.values()) await part.close();
    };
    try {
      const tensors = new Map<string, TensorEntry>();
      const places = new Map<string, TensorFile>();
      for (const [name, file] of map as ReadonlyMap<string, unknown>) {
        if (typeof file !== "string" || file === "" || file !== basename(file) || /[\\/]|^\.\.?$/.test(file))
          return damaged(path, null, `${name} lies in \`${String(file)}\`, which is no file beside the index`);
        let part = parts.get(file);
        if (part === undefined) {
          if (file.endsWith(".index.json")) return damaged(path, null, `${name} lies in ${file}, which is an index itself`);
          const opened = await open(join(dirname(path), file), files);
          if (!opened.ok) return damaged(path, null, `${opened.error.message}`, opened.error.help);
          part = opened.value;
          parts.set(file, part);
        }
        const entry = part.tensors.get(name);
        if (entry === undefined) return damaged(path, null, `${name} is not in ${file}`);
        tensors.set(name, entry);
        places.set(name, part);
      }
      const own: TensorFile = {
        path,
        format: `${parts.size} files with an index`,
        tensors,
        metadata: new Map(),
        read: (name) => {
          const part = places.get(name);
          if (part === undefined) throw new Error(`internal: a tensor of ${path} was asked for that it does not have`);
          return part.read(name);
        },
        close,
      };
      return own;
    } catch (error) {
      await close();
      throw error;
    }
  });
}
