import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { replaceFileSync } from "../runtime/checkpoint/files.ts";

// Plans that were made before, by content: an entry's name is the hash of everything that it was made from, the compiler's own files included,
// so an entry never has to be thrown away for being old. Files are written aside and renamed: many processes may share the folder. What
// is damaged is said and made again; a folder that cannot be written only means that nothing is kept.

export class PlanCache {
  readonly #folder: string;
  readonly #warn: (text: string) => void;
  /** Written since the folder was last looked through; at first as if it were much. */
  #grown = mostBytes;

  constructor(folder: string, warn: (text: string) => void) {
    this.#folder = folder;
    this.#warn = warn;
  }

  /** The value of a key, or null. */
  read(key: string): unknown {
    const file = this.#fileOf(key);
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      return null;
    }
    const end = text.indexOf("\n");
    const body = text.slice(end + 1);
    if (text.slice(0, end) === sum(body)) return JSON.parse(body);
    this.damaged(key);
    return null;
  }
  /** Says that an entry is of no use, and takes it away. */
  damaged(key: string): void {
    this.#warn(`warning: a kept plan is damaged (${this.#fileOf(key)}); it is made again\n`);
    drop(this.#fileOf(key));
  }
  write(key: string, value: unknown): void {
    const body = JSON.stringify(value);
    try {
      mkdirSync(this.#folder, { recursive: true });
      replaceFileSync(this.#fileOf(key), `${sum(body)}\n${body}`);
      this.#grown += body.length;
      if (this.#grown < mostBytes / 16) return;
      this.#grown = 0;
      this.#prune();
    } catch {
      // Nothing is kept.
    }
  }

  /** The oldest entries go when all together are too large. */
  #prune(): void {
    const entries = readdirSync(this.#folder).flatMap((name) => {
      const file = path.join(this.#folder, name);
      const facts = statSync(file, { throwIfNoEntry: false });
      return facts ? [{ file, bytes: facts.size, used: facts.mtimeMs }] : [];
    });
    let total = entries.reduce((n, e) => n + e.bytes, 0);
    for (const { file, bytes } of entries.sort((a, b) => a.used - b.used)) {
      if (total <= mostBytes) return;
      drop(file);
      total -= bytes;
    }
  }
  #fileOf(key: string): string {
    return path.join(this.#folder, `${key}.json`);
  }
}

/** Takes a file away, as far as that can be done. */
function drop(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // A folder that is none, or that is not ours: then there is nothing of ours in it.
  }
}

const mostBytes = 2 ** 30;
const sum = (text: string): string => createHash("sha256").update(text).digest("hex");

/** One hash of texts; each counts with its length, so that no two lists of texts are the same. */
export function hashOfTexts(texts: Iterable<string>): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}:`).update(text);
  return hash.digest("hex");
}

/** The cache of this user: `$ADA_CACHE`, else `$XDG_CACHE_HOME/ada/plans`, else `~/.cache/ada/plans`. */
export function openPlanCache(env: NodeJS.ProcessEnv = process.env, warn = (text: string) => void process.stderr.write(text)): PlanCache {
  const xdg = env.XDG_CACHE_HOME;
  const base = xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(homedir(), ".cache");
  const own = env.ADA_CACHE;
  return new PlanCache(own !== undefined && own !== "" ? path.resolve(own) : path.join(base, "ada", "plans"), warn);
}

let compilerHash: string | undefined;
/** The hash of the compiler that runs: of all files of the language and the compiler, as they are. */
export function hashOfCompiler(): string {
  if (compilerHash !== undefined) return compilerHash;
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  const files = ["dsl", "compiler"].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => path.join(folder, name)),
  );
  const sources = files.filter((name) => /(?<!\.d|\.test|\.testing)\.[jt]s$/.test(name)).sort();
  compilerHash = hashOfTexts(sources.flatMap((name) => [name, readFileSync(path.join(root, name), "utf8")]));
  return compilerHash;
}
