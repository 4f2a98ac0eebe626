import "./bodies.ts"; // sets how bodies are checked
import type { ConstItem, Item } from "../ast.ts";
import { checkedFunction } from "./calls.ts";
import { evaluate } from "./expressions.ts";
import { fileScope, valueOfItem } from "./globals.ts";
import { checkGradcheck } from "./gradchecks.ts";
import { reportMismatch } from "./mismatch.ts";
import { checkModel } from "./models.ts";
import { moduleInfo } from "./modules.ts";
import { checkGrammar, checkPartPath } from "./paths.ts";
import { checkPrecision } from "./precision.ts";
import { bodyOf, checkDataset, checkEvaluate, checkOptimizer, checkProperty, checkSchedule, checkStep } from "./programs.ts";
import { checkPrompt } from "./prompts.ts";
import { assignResult } from "./results.ts";
import type { Session } from "./session.ts";
import { runBlock } from "./statements.ts";
import { checkTable } from "./tables.ts";
import { checkTrain } from "./train.ts";
import { Declared, typeOfNode } from "./typeNodes.ts";

// Each item of a file, once.

export function checkItem(session: Session, item: Item, file: string): void {
  switch (item.kind) {
    case "const":
      checkConst(session, item, file);
      return;
    case "fn":
    case "loss":
      checkedFunction(session, item, file);
      return;
    case "module":
      moduleInfo(session, item, file);
      return;
    case "model":
      checkModel(session, item, file);
      return;
    case "dataset":
      checkDataset(session, item, file);
      return;
    case "schedule":
      checkSchedule(session, item, file);
      return;
    case "step":
      checkStep(session, item, file);
      return;
    case "optimizer":
      checkOptimizer(session, item, file);
      return;
    case "train":
      checkTrain(session, item, file);
      return;
    case "evaluate":
      checkEvaluate(session, item, file);
      return;
    case "test":
      runBlock(item.body, fileScope(session, file, bodyOf("test", item.title.value, item.span)));
      return;
    case "property":
      checkProperty(session, item, file);
      return;
    case "gradcheck":
      checkGradcheck(session, item, file);
      return;
    case "precision":
      checkPrecision(session, item);
      return;
    case "prompt":
      checkPrompt(session, item, file);
      return;
    case "stateItem":
      checkTable(session, item, file);
      return;
    case "grammar":
      checkGrammar(session, item);
      return;
    // What their rules say is looked at when the program is compiled.
    case "keys":
    case "surgery": {
      const module = session.lookup(file, item.for.name);
      if (module?.item.kind === "module") for (const rule of item.rules) checkPartPath(session, rule.path, module.item, module.file);
      return;
    }
    case "import":
    case "type":
    case "errorItem":
      return;
    default:
      item satisfies never;
  }
}

function checkConst(session: Session, item: ConstItem, file: string): void {
  valueOfItem(session, { item, file });
  if (!item.type) return;
  const scope = fileScope(session, file);
  const want = typeOfNode(item.type, scope, new Declared());
  const have = evaluate(item.value, scope);
  if (want.kind === "tensor" && have.kind === "list") return;
  const problem = assignResult(session, want, have);
  if (problem)
    reportMismatch(session, problem, {
      span: item.value.span,
      have,
      want,
      name: item.name.name,
      declaredAt: item.type.span,
      callee: null,
    });
}
