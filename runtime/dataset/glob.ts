// Patterns for file names within one folder: `*` any run of characters, `?` one character, `{a,b}` alternatives. Nothing else is special,
// letter case does not count (cameras write .JPG), and a pattern never crosses a folder.

/** A test for names, or what is wrong with the pattern. */
export type NamePattern =
  | { readonly kind: "pattern"; readonly matches: (name: string) => boolean }
  | { readonly kind: "error"; readonly message: string };

/** Compiles a pattern like `*.{png,jpg}`. */
export function compileNamePattern(pattern: string): NamePattern {
  if (pattern === "") return { kind: "error", message: "a file pattern is empty" };
  if (/[/\\]/.test(pattern)) return { kind: "error", message: `the file pattern «${pattern}» crosses folders` };
  let source = "";
  let depth = 0;
  for (const char of pattern) {
    if (char === "*") source += ".*";
    else if (char === "?") source += ".";
    else if (char === "{" && depth === 0) {
      depth = 1;
      source += "(?:";
    } else if (char === "}" && depth === 1) {
      depth = 0;
      source += ")";
    } else if (char === "," && depth === 1) source += "|";
    else if (char === "{" || char === "}") return { kind: "error", message: `the braces of the file pattern «${pattern}» do not pair` };
    else source += char.replace(/[.+^$()|[\]]/g, "\\$&");
  }
  if (depth !== 0) return { kind: "error", message: `the braces of the file pattern «${pattern}» do not pair` };
  const compiled = new RegExp(`^${source}$`, "isu");
  return { kind: "pattern", matches: (name) => compiled.test(name) };
}
