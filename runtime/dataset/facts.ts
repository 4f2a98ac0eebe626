import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { type HostEnvironment, type ItemFact, nothingKnown } from "../../compiler/plan/host.ts";
import { codeOf } from "../checkpoint/files.ts";
import { type DatasetError, type DatasetItem, systemReasons } from "./folder.ts";

// What a data set knows of an item: names, numbers, files beside the picture, functions of the project. In: an item and the place that shows
// it. Out: the environment in which the fields' expressions are evaluated. Files are read when they are first asked for, and then kept.

type Value = number | boolean | string;
type ValueType = "bool" | "int" | "real" | "text";

/** Calls a function of the project's TypeScript: file, name, arguments. */
export type CallHost = (file: string, name: string, args: readonly Value[]) => unknown;

/** What ends a data set, on its way to the batch that needed it. */
export class DatasetFailure extends Error {
  readonly error: DatasetError;
  constructor(code: DatasetError["code"], message: string, help: string) {
    super(message);
    this.error = { kind: "error", code, message, help };
  }
}

/** Where `cached(name)` keeps a picture: beside it, in a hidden folder. */
export const keptFile = (file: string, name: string): string => join(dirname(file), `.${name}`, `${basename(file, extname(file))}.png`);

export class ItemFacts {
  readonly #seed: number;
  readonly #callHost: CallHost | null;
  readonly #objects = new Map<string, Readonly<Record<string, unknown>> | null>();

  constructor(seed: number, callHost: CallHost | null) {
    this.#seed = seed;
    this.#callHost = callHost;
  }

  /** Where the fields of an item are evaluated; draws are counted by its place. */
  environment(item: DatasetItem, place: number): HostEnvironment {
    return {
      seed: this.#seed,
      microStep: place,
      update: 0,
      progress: 0,
      known: { ...nothingKnown, item: (fact, args, type) => this.#fact(item, place, fact, args, type) },
    };
  }

  #fact(item: DatasetItem, place: number, fact: ItemFact, args: readonly Value[], type: ValueType): Value {
    const [first = "", second = "", ...rest] = args;
    switch (fact) {
      case "file":
        return item.file;
      case "stem":
        return item.file.slice(0, item.file.length - extname(item.file).length);
      case "subject":
        return item.subject;
      case "subjectIndex":
        return item.subjectIndex;
      case "source":
        return item.source;
      case "images":
        return item.images;
      case "index":
        return place;
      case "exists":
        return existsSync(String(first));
      case "hasFace":
        return hasFace(item.file, String(first));
      case "lookup":
        return this.#entry(first === "" ? null : resolve(String(first)), String(second), rest[0], type, false);
      case "meta":
        return this.#entry(join(dirname(item.file), String(first)), String(second), rest[0], type, true);
      case "textOf":
        return textOf(String(first), args[1]);
      case "call":
        return this.#called(String(first), String(second), rest, type);
      default:
        return fact satisfies never;
    }
  }

  #entry(file: string | null, key: string, or: Value | undefined, type: ValueType, mayBeMissing: boolean): Value {
    const object = file === null ? null : this.#object(file, mayBeMissing && or !== undefined);
    const found = object !== null && Object.hasOwn(object, key) ? object[key] : undefined;
    if (found === undefined || found === null) {
      if (or !== undefined) return or;
      throw new DatasetFailure("dataset/bad-file", `${file} has no \`${key}\``, "add it, or say what is taken instead: `or:`");
    }
    const value = asType(found, type);
    if (value !== undefined) return value;
    throw new DatasetFailure(
      "dataset/bad-file",
      `${file}: \`${key}\` is ${JSON.stringify(found)?.slice(0, 60)}, where ${typeWords[type]} is wanted`,
      "the type of `or:` says what is wanted",
    );
  }

  #object(file: string, mayBeMissing: boolean): Readonly<Record<string, unknown>> | null {
    const known = this.#objects.get(file);
    if (known !== undefined) return known;
    let object: Readonly<Record<string, unknown>> | null = null;
    if (!(mayBeMissing && !existsSync(file))) {
      const text = readText(file);
      try {
        const parsed: unknown = JSON.parse(text);
        if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) object = parsed as Readonly<Record<string, unknown>>;
      } catch {
        object = null;
      }
      if (object === null)
        throw new DatasetFailure("dataset/bad-file", `${file} is no JSON object`, 'it looks like { "person 1": "woman", … }');
    }
    this.#objects.set(file, object);
    return object;
  }

  #called(file: string, name: string, args: readonly Value[], type: ValueType): Value {
    if (this.#callHost === null) throw new Error(`internal: nobody calls ${name} of ${file}`);
    let found: unknown;
    try {
      found = this.#callHost(file, name, args);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new DatasetFailure(
        "dataset/host-function",
        `\`${name}\` of ${file} threw: ${why}`,
        `it was called with ${JSON.stringify(args)}`,
      );
    }
    const value = asType(found, type);
    if (value !== undefined) return value;
    const gave = `\`${name}\` of ${file} gave ${JSON.stringify(found)?.slice(0, 60) ?? "nothing"}, where ${typeWords[type]} is wanted`;
    throw new DatasetFailure("dataset/host-function", gave, "its signature says what it gives");
  }
}

const typeWords: Readonly<Record<ValueType, string>> = { bool: "true or false", int: "a whole number", real: "a number", text: "a text" };

function asType(found: unknown, type: ValueType): Value | undefined {
  switch (type) {
    case "text":
      return typeof found === "string" ? found : undefined;
    case "bool":
      return typeof found === "boolean" ? found : undefined;
    case "int":
      return Number.isInteger(found) ? (found as number) : undefined;
    case "real":
      return typeof found === "number" && Number.isFinite(found) ? found : undefined;
    default:
      return type satisfies never;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = codeOf(error);
    const why = systemReasons[code] ?? `it cannot be read (${code})`;
    throw new DatasetFailure("dataset/bad-file", `cannot read ${file}: ${why}`, "check the path, or say what is taken instead: `or:`");
  }
}
function textOf(file: string, or: Value | undefined): string {
  if (or !== undefined && !existsSync(file)) return String(or);
  return readText(file).trim();
}

/** A picture in which no face was found is kept as a file without content. */
function hasFace(file: string, name: string): boolean {
  const kept = name === "" ? null : keptFile(file, name);
  const found = kept === null ? undefined : statSync(kept, { throwIfNoEntry: false });
  if (found === undefined) throw noDetector(file, kept);
  return found.size > 0;
}

/** What a data set needs that cuts out faces. */
export function noDetector(file: string, kept: string | null): DatasetFailure {
  const where = kept === null ? "" : ` and ${kept} is not there`;
  return new DatasetFailure(
    "dataset/no-detector",
    `the face in ${file} has to be found first: no detector is given${where}`,
    kept === null
      ? 'keep the crops: `align_face(…) |> to_range(…) |> cached("NAME")`, and put them beside the pictures'
      : "put the crop there (a file without content says that there is no face), or align in the step: `align_face(x, points, to)` of std/image.ada with landmarks from a model",
  );
}
