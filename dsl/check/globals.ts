import type { ModelItem, Setting } from "../ast.ts";
import { errorType, type Type, unknownType, withMode } from "../types/type.ts";
import { builtinValue } from "./builtins.ts";
import { evaluate } from "./expressions.ts";
import { grammarValue, promptValue } from "./prompts.ts";
import { type Body, Scope } from "./scope.ts";
import type { Place, Session } from "./session.ts";
import { tableOf } from "./tables.ts";
import { Declared, typeOfNode } from "./typeNodes.ts";

// What the items of a file are as values, made when first asked for.

const hostBody: Body = { kind: "host", name: "", random: true, updates: false, training: false, span: null };

/** The scope of a file's items: its own names, imported ones, those of the prelude, then the built-in ones. */
export function fileScope(session: Session, file: string, body: Body = hostBody): Scope {
  return new Scope(session, file, body, null, {
    resolve: (name) => {
      const place = session.lookup(file, name);
      return place ? valueOfItem(session, place) : builtinValue(name);
    },
  });
}

/** The type of an item as a value. */
export function valueOfItem(session: Session, place: Place): Type | undefined {
  const { item, file } = place;
  // What it takes and gives could not be read: nothing follows from its uses.
  if (session.isBroken(item.span)) return errorType;
  switch (item.kind) {
    case "const":
      return session.once(item, "value", unknownType, () => {
        const scope = fileScope(session, file);
        const value = evaluate(item.value, scope);
        return item.type ? typeOfNode(item.type, scope, new Declared()) : value;
      });
    case "fn":
    case "loss":
      return { kind: "function", item, file, of: null };
    case "module":
      return { kind: "moduleKind", item, file };
    case "model":
      return modelType(session, item, file);
    case "prompt":
      return promptValue(session, item, file);
    case "schedule":
      return { kind: "scheduleKind", item, file };
    case "dataset":
      return { kind: "datasetKind", item, file };
    case "optimizer":
      return { kind: "optimizerKind", item, file };
    case "grammar":
      return grammarValue(session, item);
    case "stateItem":
      return tableOf(session, item, file);
    case "surgery":
      return unknownType;
    case "step":
    case "keys":
    case "train":
    case "evaluate":
    case "type":
      return undefined;
    default:
      return undefined;
  }
}

/** A model is an instance of its module. */
export function modelType(session: Session, item: ModelItem, file: string): Type {
  return session.once(item, "value", unknownType, () => {
    const scope = fileScope(session, file);
    if (!item.value) return unknownType;
    const type = evaluate(item.value, scope);
    if (type.kind === "moduleKind") {
      const name = type.item.name.name;
      session.report(
        "type/mismatch",
        item.value.span,
        { found: `the module \`${name}\` itself`, expected: "a model" },
        { help: `give its arguments: \`${name}()\`` },
      );
      return errorType;
    }
    return withMode(type, staysFrozen(session, item));
  });
}
/** Whether a model is frozen wherever it is used: no block of the program trains it. */
function staysFrozen(session: Session, item: ModelItem): boolean {
  const trains = (one: Setting): boolean => one.kind === "model" && one.name.name === item.name.name && one.mode === "trained";
  return (
    item.mode === "frozen" &&
    ![...session.program.files.values()].some(({ ast }) => ast.items.some((block) => block.kind === "train" && block.settings.some(trains)))
  );
}
