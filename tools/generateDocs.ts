import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { builtinNames, dataBuiltinNames } from "../compiler/elaborate/builtins/table.ts";
import { attributesOf } from "../compiler/ir/attributes.ts";
import { opNames, rowOf } from "../compiler/ir/ops.ts";
import { builtins } from "../dsl/builtins.ts";
import { type DiagnosticCode, diagnosticTable } from "../dsl/diagnostics.ts";
import { packageRoot } from "../dsl/source.ts";
import { groupNotes, notes } from "./diagnosticNotes.ts";
import { grammarText } from "./grammarText.ts";
import { syntaxDiagrams } from "./syntaxDiagrams.ts";

// Writes what spec/ takes from tables: one page per diagnostic, the table of primitives in spec/ir.md, the grammar in spec/language.md and as
// diagrams in spec/grammar. Examples are the recorded messages
// of test/diagnostics. Run it with `npm run docs`; a test says when a page is not current.

/** All generated files: path relative to the root, and text. */
export function generatedDocs(root: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const examples = readExamples(path.join(root, "test", "diagnostics"));
  const codes = Object.keys(diagnosticTable) as DiagnosticCode[];
  for (const code of codes) files.set(`spec/diagnostics/${code}.md`, page(code, examples.get(code)));
  files.set("spec/diagnostics/README.md", index(codes));
  const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
  files.set("spec/ir.md", withPart(read("spec/ir.md"), "the table of primitives", opTable()));
  const language = withPart(read("spec/language.md"), "the grammar", `\`\`\`text\n${grammarText()}\n\`\`\``);
  files.set("spec/language.md", withPart(language, "the table of known names", builtinTable()));
  for (const [file, text] of syntaxDiagrams()) files.set(file, text);
  return files;
}

// ---- diagnostics ---------------------------------------------------------------------------------------------------------------

const unescaped = (template: string): string => template.replaceAll("{{", "{").replaceAll("}}", "}");
/** Arguments of a message as a reader sees them: `{axis}` becomes ‹axis›. */
const shown = (template: string): string => unescaped(template.replace(/(?<!\{)\{([a-z]\w*)\}(?!\})/gi, "‹$1›"));

function page(code: DiagnosticCode, example: string | undefined): string {
  const { severity, message, help } = diagnosticTable[code];
  const group = code.slice(0, code.indexOf("/"));
  const parts = [`# ${code}`, `**${severity}**: ${shown(message)}`];
  const note = notes[code];
  if (note !== undefined) parts.push(note);
  if (help !== "") parts.push(`**What to do:** ${shown(help)}`);
  if (example !== undefined) parts.push("## Example", `\`\`\`text\n${example}\n\`\`\``);
  const groupNote = groupNotes[group];
  if (groupNote === undefined) throw new Error(`internal: no remark on the group ${group}`);
  parts.push(`## About \`${group}\``, groupNote);
  return `${parts.join("\n\n")}\n`;
}

function index(codes: readonly DiagnosticCode[]): string {
  const groups = [...new Set(codes.map((code) => code.slice(0, code.indexOf("/"))))];
  const lines = groups.flatMap((group) => [
    `## ${group}`,
    "",
    groupNotes[group] ?? "",
    "",
    ...codes
      .filter((code) => code.startsWith(`${group}/`))
      .map((code) => `- [${code}](${code}.md): ${shown(diagnosticTable[code].message)}`),
    "",
  ]);
  return `# Diagnostics\n\nEverything that \`adac\` can say about a program. \`adac explain CODE\` prints a page. Words in ‹…› stand for names of your program.\n\n${lines.join("\n").trimEnd()}\n`;
}

/** The first recorded message of each code: the shortest, so that a page stays one thought. */
function readExamples(folder: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const set of ["front", "check", "elaborate", "config", "made"]) {
    for (const file of readdirSync(path.join(folder, set)).sort()) {
      if (!file.endsWith(".out")) continue;
      for (const block of readFileSync(path.join(folder, set, file), "utf8")
        .trimEnd()
        .split("\n\n")) {
        const code = /^(?:error|warning) ([\w/-]+):/.exec(block)?.[1];
        if (code === undefined || block.includes(folder) || block.split("\n").length < 3) continue;
        const known = found.get(code);
        if (known === undefined || block.length < known.length) found.set(code, block.trimEnd());
      }
    }
  }
  return found;
}

// ---- the table of primitives ---------------------------------------------------------------------------------------------------

/** The text with the part between the two marks of that name replaced. */
function withPart(text: string, name: string, part: string): string {
  const begin = `<!-- ${name}, written by tools/generateDocs.ts -->`;
  const end = `<!-- end of ${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`internal: no place for ${name}`);
  return `${text.slice(0, from)}${begin}\n\n${part.trimEnd()}\n\n${text.slice(to)}`;
}

function opTable(): string {
  const rows = opNames.map((op) => {
    const { class: kind, arity, grad, kernel } = rowOf(op);
    const attributes = attributesOf(op).map(([name, attribute]) => `${name}: ${attribute}`);
    const derivative = typeof grad === "function" ? "yes" : `none: ${grad.none}`;
    return `| \`${op}\` | ${kind} | ${arity} | ${attributes.join(", ")} | ${derivative.replaceAll("|", "\\|")} | ${kernel} |`;
  });
  return ["| op | class | arguments | attributes | derivative | lowered as |", "| --- | --- | --- | --- | --- | --- |", ...rows, ""].join(
    "\n",
  );
}

/** The names that the compiler itself knows; what it cannot compile yet is said. */
function builtinTable(): string {
  const compiled = new Set([...builtinNames(), ...dataBuiltinNames(), "shuffled", "sequential"]); // orders are read where `order` stands;
  const lowered: ReadonlySet<string> = new Set(["primitive", "reduction", "list", "distribution", "schedule", "dataset"]);
  const rows = [...builtins.values()].map(({ name, kind, args, doc }) => {
    const isLater = lowered.has(kind) && !compiled.has(name);
    return `| \`${name}\` | ${kind} | ${args.map((arg) => (arg.name === "*" ? "…" : arg.name)).join(", ")} | ${doc.replaceAll("|", "\\|")}${isLater ? " (checked, not compiled yet)" : ""} |`;
  });
  return ["| name | kind | arguments | what it is |", "| --- | --- | --- | --- |", ...rows, ""].join("\n");
}

/** Pages of codes and pictures of rules that are no longer there. */
export function stalePages(root: string, files: ReadonlyMap<string, string>): string[] {
  return ["spec/diagnostics", "spec/grammar"].flatMap((name) => {
    const folder = path.join(root, name);
    if (!existsSync(folder)) return [];
    return (readdirSync(folder, { recursive: true }) as string[])
      .map((file) => `${name}/${file.split(path.sep).join("/")}`)
      .filter((file) => /\.(?:md|svg)$/.test(file) && !files.has(file));
  });
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === path.resolve(process.argv[1])) {
  const root = packageRoot();
  const files = generatedDocs(root);
  for (const file of stalePages(root, files)) rmSync(path.join(root, file));
  for (const [file, text] of files) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
}
