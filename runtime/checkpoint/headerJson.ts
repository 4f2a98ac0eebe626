// JSON as the header of a file of tensors may be: no key twice, nothing behind the end, and every mistake with its place. (The language's own
// parser keeps the last of two equal keys and does not say where anything is.)

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | ReadonlyMap<string, JsonValue>;
export type JsonResult =
  /** `places`: where the keys of the outermost object stand. */
  | { readonly ok: true; readonly value: JsonValue; readonly places: ReadonlyMap<string, number> }
  /** `at` counts characters from the start of the text. */
  | { readonly ok: false; readonly at: number; readonly problem: string };

const deepest = 32;
const literals: readonly (readonly [string, JsonValue])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a string of JSON may not hold any
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const space = /[ \t\r\n]*/y;

class Mistake extends Error {
  readonly at: number;
  constructor(at: number, problem: string) {
    super(problem);
    this.at = at;
  }
}

/** Reads a whole text. */
export function parseJson(text: string): JsonResult {
  let at = 0;
  const places = new Map<string, number>();
  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return null;
    at += found[0].length;
    return found[0];
  };
  const skip = () => match(space);
  const take = (letter: string): boolean => {
    skip();
    if (text[at] !== letter) return false;
    at++;
    return true;
  };
  const expected = (what: string): never => {
    throw new Mistake(at, at >= text.length ? `it ends where ${what} is expected` : `${what} is expected`);
  };
  const value = (depth: number): JsonValue => {
    if (depth > deepest) throw new Mistake(at, "it nests too deeply");
    if (take("{")) {
      const entries = new Map<string, JsonValue>();
      if (take("}")) return entries;
      do {
        skip();
        const start = at;
        const key = match(string);
        if (key === null) return expected("a key");
        const name = JSON.parse(key) as string;
        if (entries.has(name)) throw new Mistake(start, `the key ${key} is there twice`);
        if (depth === 0) places.set(name, start);
        if (!take(":")) expected("`:`");
        entries.set(name, value(depth + 1));
      } while (take(","));
      if (!take("}")) expected("`,` or `}`");
      return entries;
    }
    if (take("[")) {
      const items: JsonValue[] = [];
      if (take("]")) return items;
      do items.push(value(depth + 1));
      while (take(","));
      if (!take("]")) expected("`,` or `]`");
      return items;
    }
    const text = match(string) ?? match(number);
    if (text !== null) return JSON.parse(text) as string | number;
    return literal();
  };
  const literal = (): JsonValue => {
    for (const [word, meaning] of literals)
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    return expected("a value");
  };
  try {
    const parsed = value(0);
    skip();
    if (at < text.length) throw new Mistake(at, "there is something behind its end");
    return { ok: true, value: parsed, places };
  } catch (error) {
    if (error instanceof Mistake) return { ok: false, at: error.at, problem: error.message };
    throw error;
  }
}
