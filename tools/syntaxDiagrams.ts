import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { grammarShapes, type Shape } from "./grammarShapes.ts";

// Syntax diagrams of the parser's own grammar: a picture per rule, and a page that shows them all in the order of their definition. They are
// drawn by the library of railroad diagrams that Chevrotain brings, in its own file; what is drawn is what the parser reads.

/** Part of a drawing: the library's own object, of which only these are looked at here. */
interface Drawing {
  readonly width: number;
  toString(): string;
}
interface Railroad {
  readonly Diagram: (...items: readonly Drawing[]) => Drawing;
  readonly Stack: (...items: readonly Drawing[]) => Drawing;
  readonly Sequence: (...items: readonly Drawing[]) => Drawing;
  readonly Choice: (normal: number, ...items: readonly Drawing[]) => Drawing;
  readonly Optional: (item: Drawing) => Drawing;
  readonly OneOrMore: (item: Drawing, separator?: Drawing) => Drawing;
  readonly ZeroOrMore: (item: Drawing, separator?: Drawing) => Drawing;
  readonly Terminal: (text: string) => Drawing;
  readonly NonTerminal: (text: string) => Drawing;
}

/** The library is a script for browsers, and no module that could be imported: it is run by itself, and puts its functions into `exports`. */
function railroad(): Railroad {
  const script = path.join(path.dirname(fileURLToPath(import.meta.resolve("chevrotain"))), "../../diagrams/vendor/railroad-diagrams.js");
  const exports: Partial<Railroad> = {};
  runInContext(readFileSync(script, "utf8"), createContext({ exports }));
  return exports as Railroad;
}

/** A diagram that is wider goes on in another line, where the rule is a sequence. */
const mostWidth = 860;
const style = `
.railroad-diagram { background: #fff }
.railroad-diagram path { stroke: #444; stroke-width: 2; fill: none }
.railroad-diagram rect { stroke: #444; stroke-width: 1.5; fill: #fff6d6 }
.railroad-diagram .non-terminal rect { fill: #dbe9ff }
.railroad-diagram text { font: 13px monospace; text-anchor: middle; fill: #111 }
`;
const folder = "spec/grammar";

/** The page and its pictures: path relative to the root, and text. */
export function syntaxDiagrams(): ReadonlyMap<string, string> {
  const draw = railroad();
  const shapes = grammarShapes();
  const files = new Map<string, string>();
  for (const [name, shape] of shapes) files.set(`${folder}/${name}.svg`, picture(draw, shape));
  files.set(`${folder}/README.md`, page(shapes));
  return files;
}

// ---- pictures ------------------------------------------------------------------------------------------------------------------

function picture(draw: Railroad, shape: Shape): string {
  const parts = (shape.kind === "sequence" ? shape.parts : [shape]).map((part) => drawing(draw, part));
  const lines: Drawing[][] = [[]];
  let width = 0;
  for (const part of parts) {
    if (width > 0 && width + part.width > mostWidth) {
      lines.push([]);
      width = 0;
    }
    lines.at(-1)!.push(part);
    width += part.width + 20;
  }
  const diagram =
    lines.length === 1 ? draw.Diagram(...lines[0]!) : draw.Diagram(draw.Stack(...lines.map((line) => draw.Sequence(...line))));
  return `${String(diagram)
    .replaceAll(/ \w+="undefined"/g, "") // what the library says of Chevrotain's productions, of which there are none here
    .replaceAll(/ (?:label|ruleName)="[^"]*"/g, "")
    .replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')
    .replace(/>\n/, `>\n<style>${style}</style>\n`)
    .trim()}\n`;
}

function drawing(draw: Railroad, shape: Shape): Drawing {
  const of = (part: Shape): Drawing => drawing(draw, part);
  switch (shape.kind) {
    case "rule":
      return draw.NonTerminal(shape.name);
    case "token":
      return draw.Terminal(shape.text ?? shape.name);
    case "sequence":
      return draw.Sequence(...shape.parts.map(of));
    case "choice":
      return draw.Choice(0, ...shape.parts.map(of));
    case "optional":
      return draw.Optional(of(shape.part));
    case "repeat":
      return draw[shape.least === 0 ? "ZeroOrMore" : "OneOrMore"](of(shape.part), ...(shape.separator ? [of(shape.separator)] : []));
    default:
      throw new Error(`internal: no diagram for ${shape satisfies never}`);
  }
}

// ---- the page ------------------------------------------------------------------------------------------------------------------

function page(shapes: ReadonlyMap<string, Shape>): string {
  const users = new Map<string, string[]>();
  for (const [name, shape] of shapes) for (const used of rulesIn(shape)) users.set(used, [...(users.get(used) ?? []), name]);
  const link = (name: string): string => `[${name}](#${name.toLowerCase()})`;
  const parts = [...shapes].map(([name, shape]) => {
    const uses = [...rulesIn(shape)].map(link);
    const usedBy = (users.get(name) ?? []).map(link);
    const lines = [
      ...(uses.length > 0 ? [`Made of ${uses.join(", ")}.`] : []),
      usedBy.length > 0 ? `Stands in ${usedBy.join(", ")}.` : "A file is any number of these.",
    ];
    return `## ${name}\n\n![${name}](${name}.svg)\n\n${lines.join(" ")}`;
  });
  return `# Syntax diagrams

Drawn from the parser's own grammar by \`npm run docs\`; the same as text, and what it means, is in [language.md](../language.md). A file begins at
${link("item")}. Yellow boxes are what stands in the text; \`Id\` is a name (soft keywords included), \`Word\` any word, \`Text\` a text in quotes,
\`Pattern\` a text in backquotes, \`Numeral\` a number. Blue boxes are other rules.

${parts.join("\n\n")}
`;
}

function rulesIn(shape: Shape): ReadonlySet<string> {
  switch (shape.kind) {
    case "rule":
      return new Set([shape.name]);
    case "token":
      return new Set();
    case "sequence":
    case "choice":
      return new Set(shape.parts.flatMap((part) => [...rulesIn(part)]));
    case "optional":
    case "repeat":
      return rulesIn(shape.part);
    default:
      throw new Error(`internal: no rules of ${shape satisfies never}`);
  }
}
