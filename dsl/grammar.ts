import type { Rule } from "./grammar/base.ts";
import { ProgramGrammar } from "./grammar/programs.ts";

export { TooDeep } from "./grammar/base.ts";

/** The kinds of items, each with its grammar rule, in the order the parser tries them. */
const itemRules = [
  "importItem",
  "typeItem",
  "constItem",
  "fnItem",
  "lossItem",
  "moduleItem",
  "modelItem",
  "stateItem",
  "keysItem",
  "surgeryItem",
  "datasetItem",
  "grammarItem",
  "promptItem",
  "scheduleItem",
  "stepItem",
  "optimizerItem",
  "precisionItem",
  "trainItem",
  "evaluateItem",
  "testItem",
  "propertyItem",
  "gradcheckItem",
] as const;

// The grammar of `.ada` (language.md, section 3): tokens in, a concrete tree out, with recovery. It knows no meaning; `build/`
// makes the abstract tree. The files of `grammar/` hold the rules by construct. The parser is given one item at a time (`segments.ts`).
export class AdaParser extends ProgramGrammar {
  readonly item: Rule = this.RULE("item", () => this.OR(itemRules.map((rule) => ({ ALT: () => this.SUBRULE(this[rule]) }))));
  constructor() {
    super();
    this.performSelfAnalysis();
  }
}

let shared: AdaParser | undefined;
/** The one parser of the process: making it costs some tens of milliseconds. */
export function adaParser(): AdaParser {
  shared ??= new AdaParser();
  return shared;
}
