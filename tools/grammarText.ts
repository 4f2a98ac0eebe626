import { grammarShapes, type Shape } from "./grammarShapes.ts";

// The parser's own grammar as text, so that what spec/language.md prints is what the parser reads. Written as EBNF: `x?`, `x*`, `x+`, `{x ","}`
// for a list with commas that may be empty, `{x ","}+` for one that may not.

/** All rules of the parser, one line each, in the order of their definition. */
export function grammarText(): string {
  const shapes = grammarShapes();
  const width = Math.max(...[...shapes.keys()].map((name) => name.length));
  return [...shapes].map(([name, shape]) => `${name.padEnd(width)} = ${text(shape)} .`).join("\n");
}

function text(shape: Shape): string {
  switch (shape.kind) {
    case "rule":
      return shape.name;
    case "token":
      return shape.text === undefined ? shape.name : `"${shape.text}"`;
    case "sequence":
      return shape.parts.map(text).join(" ");
    case "choice":
      return `(${shape.parts.map(text).join(" | ")})`;
    case "optional":
      return `${bracketed(shape.part)}?`;
    case "repeat": {
      const plus = shape.least === 1 ? "+" : "";
      if (shape.separator) return `{${text(shape.part)} ${text(shape.separator)}}${plus}`;
      return `${bracketed(shape.part)}${plus || "*"}`;
    }
    default:
      throw new Error(`internal: no text for ${shape satisfies never}`);
  }
}
function bracketed(part: Shape): string {
  const inner = text(part);
  return inner.includes(" ") && part.kind !== "choice" ? `(${inner})` : inner;
}
