import type { Block, Expr, Item, Param, Signature, Stmt, TypeNode } from "../ast.ts";
import type { Program, SourceFileId } from "../program.ts";
import { describeType, printType, type Type } from "../types/type.ts";
import type { CheckResult } from "./index.ts";

// The checked program as text (`--emit typed`): each item with its signature, and below it each name a body makes with the type that was
// found for it. One line per fact, in the order of the text, so that two runs can be compared line by line.

/** All items of a file with their types; of the entry when no file is named. */
export function printTyped(program: Program, checked: CheckResult, file: SourceFileId = program.entry): string {
  const source = program.files.get(file);
  if (!source) return "";
  const text = (node: { readonly span: { readonly start: number; readonly end: number } }) =>
    source.text.slice(node.span.start, node.span.end).replace(/\s+/g, " ");
  const printer = new Printer(checked, text);
  return source.ast.items
    .map((item) => printer.item(item))
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}

type TextOf = (node: { readonly span: { readonly start: number; readonly end: number } }) => string;

class Printer {
  readonly #checked: CheckResult;
  readonly #text: TextOf;
  constructor(checked: CheckResult, text: TextOf) {
    this.#checked = checked;
    this.#text = text;
  }

  item(item: Item): string[] {
    switch (item.kind) {
      case "const":
        return [`const ${item.name.name}: ${this.#type(item.value)}`];
      case "fn":
      case "loss":
        return [`${item.kind} ${item.name.name}${this.#signature(item.signature)}`, ...this.#block(item.body, 1)];
      case "module":
        return [
          `module ${item.name.name}(${this.#params(item.params)})`,
          ...item.members.flatMap((member) => {
            switch (member.kind) {
              case "part":
                return [
                  `  part ${member.path.map((p) => p.name).join(".")}: ${this.#type(member.value)}${member.when ? ` when ${this.#text(member.when)}` : ""}`,
                ];
              case "leaf":
                return [`  ${member.role} ${member.name.name}: ${this.#node(member.type)}`];
              case "forward":
                return [`  forward${this.#signature(member.signature)}`, ...this.#block(member.body, 2)];
              case "fn":
                return [`  fn ${member.name.name}${this.#signature(member.signature)}`, ...this.#block(member.body, 2)];
              default:
                return member satisfies never;
            }
          }),
        ];
      case "model":
        return [`model ${item.name.name}: ${item.value ? this.#type(item.value) : "?"}`];
      case "step":
        return [
          `step ${item.name.name}(${item.batch.name}: ${item.oneOf ? "one of " : ""}${item.dataset.name})`,
          ...this.#block(item.body, 1),
        ];
      case "optimizer":
        return [
          `optimizer ${item.name.name}(${this.#params(item.params)})`,
          ...item.states.map((state) => `  state ${state.name.name}: ${this.#node(state.type)}`),
          `  step${this.#signature(item.signature)}`,
          ...this.#block(item.body, 2),
        ];
      case "schedule":
        return [`schedule ${item.name.name}(${this.#params(item.params)})`];
      case "dataset":
        return [
          `dataset ${item.name.name}(${this.#params(item.params)})`,
          ...item.members.flatMap((m) => (m.kind === "fieldDecl" ? [`  field ${m.name.name}: ${this.#node(m.type)}`] : [])),
        ];
      case "test":
        return [`test "${item.title.value}"`, ...this.#block(item.body, 1)];
      case "property":
        return [
          `property "${item.title.value}"`,
          ...item.forall.map((f) => `  forall ${f.name.name}: ${this.#node(f.type)}`),
          ...item.body.flatMap((s) => this.#statement(s, 1)),
        ];
      case "evaluate":
        return [
          `evaluate ${item.name.name}`,
          ...item.members.flatMap((m) =>
            m.kind === "model" || m.kind === "seedMember" || m.kind === "dataMember" || m.kind === "report" ? [] : this.#statement(m, 1),
          ),
        ];
      case "train":
        return [`train ${item.name.name}${item.like ? ` like ${item.like.name}` : ""}`];
      case "import":
      case "type":
      case "stateItem":
      case "keys":
      case "surgery":
      case "grammar":
      case "prompt":
      case "precision":
      case "gradcheck":
      case "errorItem":
        return [];
      default:
        return item satisfies never;
    }
  }

  #node(node: TypeNode): string {
    return this.#text(node);
  }
  #params(params: readonly Param[]): string {
    return params.map((p) => `${p.each ? "each " : ""}${p.name.name}: ${this.#node(p.type)}`).join(", ");
  }
  #signature(signature: Signature): string {
    const effects = signature.effects.map((e) => ` ${e}`).join("");
    return `(${this.#params(signature.params)})${effects} -> ${this.#node(signature.result)}`;
  }
  #type(expr: Expr): string {
    const type = this.#checked.typeOf(expr);
    return type ? typeText(type) : "?";
  }

  #block(block: Block, depth: number): string[] {
    return block.statements.flatMap((statement) => this.#statement(statement, depth));
  }
  #statement(statement: Stmt, depth: number): string[] {
    const line = (text: string) => [`${"  ".repeat(depth)}${text}`];
    switch (statement.kind) {
      case "let":
        return line(`let ${this.#text(statement.binder)}: ${this.#type(statement.value)}`);
      case "tap":
        return line(`tap ${statement.name.name}: ${this.#type(statement.value)}`);
      case "return":
        return line(`return: ${this.#type(statement.value)}`);
      case "minimize":
        return line(`minimize: ${this.#type(statement.value)}`);
      case "update":
        return line(`update ${this.#text(statement.target)}: ${this.#type(statement.value)}`);
      case "require":
        return line(`require: ${this.#type(statement.condition)}`);
      case "expect":
        return line(`expect: ${this.#type(statement.condition)}`);
      case "logStmt":
        return line(`log: ${this.#type(statement.record)}`);
      case "measure":
        return line(`measure ${statement.name.name}: ${this.#type(statement.value)}`);
      case "write":
        return line(`write: ${this.#type(statement.value)}`);
      case "if":
        return [
          ...line(`if ${this.#text(statement.condition)}`),
          ...this.#block(statement.then, depth + 1),
          ...(statement.otherwise ? [...line("else"), ...this.#block(statement.otherwise, depth + 1)] : []),
        ];
      case "for":
        return [...line(`for ${this.#text(statement.binder)}`), ...this.#block(statement.body, depth + 1)];
      case "error":
        return line("(unreadable)");
      default:
        return statement satisfies never;
    }
  }
}

/** Types with what is known of host values: `Int (3)`, a module with its arguments. */
function typeText(type: Type): string {
  if (type.kind === "module") {
    const sizes = [...type.arguments].map(([name, t]) => `${name}: ${t.kind === "int" ? describeValue(t) : printType(t)}`);
    return `${type.item.name.name}(${sizes.join(", ")})`;
  }
  return printType(type);
}
function describeValue(type: Type): string {
  const text = describeType(type);
  return text.startsWith("the number ") ? text.slice("the number ".length) : printType(type);
}
