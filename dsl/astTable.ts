// The kinds of the abstract tree, one row each: the only place where they are defined. `tools/generateAst.ts` writes `ast.ts` from this
// table, and `children` walks any tree with it. A field's text is its TypeScript type, with a remark behind `//`. Long because it is a table.

export interface NodeRow {
  readonly row: "node";
  readonly name: string;
  readonly kind: string;
  /** Name of the field -> its type and remark. */
  readonly fields: Readonly<Record<string, string>>;
  readonly doc?: string;
  /** Items carry the `///` text before them. */
  readonly item?: boolean;
}
export interface UnionRow {
  readonly row: "union";
  readonly name: string;
  readonly members: readonly string[];
  readonly doc?: string;
}
export interface AstSection {
  readonly title: string;
  readonly declarations: readonly (NodeRow | UnionRow)[];
}
const node = (
  name: string,
  kind: string,
  fields: NodeRow["fields"],
  more: { readonly doc?: string; readonly item?: boolean } = {},
): NodeRow => ({ row: "node", name, kind, fields, ...more });
const union = (name: string, members: string, doc?: string): UnionRow => ({
  row: "union",
  name,
  members: members.split(" "),
  ...(doc === undefined ? {} : { doc }),
});

export const astSections: readonly AstSection[] = [
  {
    title: "names and files",
    declarations: [
      node("Ident", "ident", {
        name: "string",
      }),
      node("File", "file", {
        items: "readonly Item[]",
      }),
    ],
  },
  {
    title: "types",
    declarations: [
      union("TypeNode", "NamedType RecordType TupleType ErrorNode"),
      node(
        "NamedType",
        "namedType",
        {
          name: "Ident",
          args: "readonly TypeArg[]",
          axes: "readonly Axis[] | null // null: no brackets at all",
          optional: "boolean",
        },
        { doc: "`real[...b, c: 3]`, `List<Int>`, `Prompt<face: 16>[axes]`, `Path?`" },
      ),
      node("TypeArg", "typeArg", {
        name: "Ident | null",
        value: "TypeNode | NumberLit",
      }),
      node("RecordType", "recordType", {
        fields: "readonly { readonly name: Ident; readonly type: TypeNode }[]",
        optional: "boolean",
      }),
      node("TupleType", "tupleType", {
        elements: "readonly TypeNode[]",
        optional: "boolean",
      }),
      union(
        "Axis",
        "RowAxis NamedAxis",
        "One entry between brackets: `...b`, `h`, `kh: size`, `i: 0..4`, or a list element. `name: null` = no `name:` was written.",
      ),
      node("RowAxis", "rowAxis", {
        name: "Ident",
      }),
      node("NamedAxis", "namedAxis", {
        name: "Ident | null",
        value: "Expr // a RangeExpr when `..` was written",
      }),
    ],
  },
  {
    title: "expressions",
    declarations: [
      union(
        "Expr",
        "NumberLit StringLit PatternLit BoolLit NoneLit NameRef TupleExpr BracketExpr ListComp RecordExpr IfExpr FnExpr UnaryExpr BinaryExpr PipeExpr RangeExpr CallExpr IndexExpr FieldExpr WatchExpr WithExpr ErrorNode",
      ),
      node("NumberLit", "number", {
        value: "number",
        text: "string // as written",
      }),
      node("StringLit", "string", {
        value: "string // unescaped",
      }),
      node(
        "PatternLit",
        "pattern",
        {
          left: "readonly PatternItem[]",
          right: "readonly PatternItem[]",
        },
        { doc: "`` `...b c h w -> ...b id=(c h w)` `` parsed into its two sides." },
      ),
      union(
        "PatternItem",
        "PatternRow PatternAxis PatternUnit PatternGroup",
        "`...b` (row), `h` (axis), `1` (unit), `(head d)` or `width=(head d)` (group).",
      ),
      node("PatternRow", "row", {
        name: "string",
      }),
      node("PatternAxis", "axis", {
        name: "string",
      }),
      node(
        "PatternUnit",
        "unit",
        {
          name: "string | null",
        },
        { doc: "`1` or `h=1`" },
      ),
      node("PatternGroup", "group", {
        name: "string | null",
        parts: "readonly string[]",
      }),
      node("BoolLit", "bool", {
        value: "boolean",
      }),
      node("NoneLit", "none", {}),
      node("NameRef", "name", {
        name: "string",
      }),
      node(
        "TupleExpr",
        "tuple",
        {
          elements: "readonly Expr[]",
        },
        { doc: "`(a, b)`; a single parenthesised expression is not a node of its own." },
      ),
      node(
        "BracketExpr",
        "bracket",
        {
          elements: "readonly Axis[]",
        },
        { doc: "`[a, b]` a list, or `[batch, c: 4]` axes: which one it is follows from the place it stands in." },
      ),
      node(
        "ListComp",
        "listComp",
        {
          binder: "Binder",
          over: "Expr",
          where: "Expr | null",
          body: "Expr | Block",
        },
        { doc: "`[for b in xs if c: e]`" },
      ),
      node("RecordExpr", "record", {
        fields: "readonly { readonly name: Ident; readonly value: Expr | null }[] // null: `{ id }` short for `{ id: id }`",
      }),
      node("IfExpr", "ifExpr", {
        condition: "Expr",
        then: "Expr | Block",
        otherwise: "Expr | Block | null",
      }),
      node("FnExpr", "fnExpr", {
        params: "readonly { readonly binder: Binder; readonly type: TypeNode | null }[]",
        body: "Expr | Block",
      }),
      node("UnaryExpr", "unary", {
        op: '"-" | "not"',
        operand: "Expr",
      }),
      union("BinaryOp", '"+" "-" "*" "/" "**" "==" "!=" "<" "<=" ">" ">=" "and" "or"'),
      node("BinaryExpr", "binary", {
        op: "BinaryOp",
        opSpan: "Span",
        left: "Expr",
        right: "Expr",
      }),
      node(
        "PipeExpr",
        "pipe",
        {
          value: "Expr",
          target: "Expr // a callee, or a CallExpr",
        },
        { doc: "`x |> f(a)`: `f(x, a)`." },
      ),
      node(
        "RangeExpr",
        "range",
        {
          from: "Expr",
          to: "Expr | null",
          arrow: "boolean",
        },
        { doc: "`a..b`, `a..` ; `step` values written `a -> b` (schedules) are `arrow: true`." },
      ),
      node("CallExpr", "call", {
        callee: "Expr",
        args: "readonly Arg[]",
      }),
      node(
        "Arg",
        "arg",
        {
          name: "Ident | null",
          row: "boolean // `...b`",
          value: "Expr",
          alternatives: "readonly Expr[]",
        },
        { doc: "`x`, `over: x`, `...row`, or with `alternatives` of prompt arguments `a | b`." },
      ),
      node("IndexExpr", "index", {
        base: "Expr",
        indices: "readonly IndexItem[]",
      }),
      node("IndexItem", "indexItem", {
        name: "Ident | null",
        row: "boolean",
        value: "Expr | null // null: `*`",
      }),
      node("FieldExpr", "field", {
        base: "Expr",
        name: "Ident",
      }),
      node("WatchExpr", "watch", {
        base: "Expr",
        paths: "readonly PartPath[]",
        as: "Ident",
      }),
      node("WithExpr", "with", {
        base: "Expr",
        changes: "RecordExpr",
      }),
      node(
        "ErrorNode",
        "error",
        {},
        { doc: "Text that could not be read. Later stages give it the error type and say nothing more about it." },
      ),
      node("PartPath", "partPath", {
        segments: "readonly PathSegment[]",
      }),
      node("PathSegment", "pathSegment", {
        head: '| { readonly kind: "name"; readonly name: string } | { readonly kind: "any" } | { readonly kind: "deep" } | { readonly kind: "oneOf"; readonly paths: readonly PartPath[] } // a name, `*`, `**`, or alternatives `{a,b.c}`',
        indices: "readonly IndexItem[]",
      }),
      union("Binder", "Ident TupleBinder"),
      node("TupleBinder", "tupleBinder", {
        elements: "readonly Binder[]",
      }),
    ],
  },
  {
    title: "statements",
    declarations: [
      node("Block", "block", {
        statements: "readonly Stmt[]",
      }),
      union(
        "Stmt",
        "LetStmt TapStmt ReturnStmt MinimizeStmt UpdateStmt RequireStmt ExpectStmt LogStmt IfStmt ForStmt WriteStmt MeasureStmt ErrorNode",
      ),
      node("LetStmt", "let", {
        binder: "Binder",
        value: "Expr",
      }),
      node("TapStmt", "tap", {
        name: "Ident",
        value: "Expr",
      }),
      node("ReturnStmt", "return", {
        value: "Expr",
      }),
      node("MinimizeStmt", "minimize", {
        value: "Expr",
      }),
      node("UpdateStmt", "update", {
        target: "Expr",
        value: "Expr",
      }),
      node("RequireStmt", "require", {
        condition: "Expr",
        reason: "StringLit | null",
      }),
      node("ExpectStmt", "expect", {
        condition: "Expr",
      }),
      node("LogStmt", "logStmt", {
        record: "RecordExpr",
      }),
      node("IfStmt", "if", {
        condition: "Expr",
        then: "Block",
        otherwise: "Block | null",
      }),
      node("ForStmt", "for", {
        binder: "Binder",
        over: "Expr",
        body: "Block",
      }),
      node("WriteStmt", "write", {
        value: "Expr",
        path: "StringLit",
      }),
      node("MeasureStmt", "measure", {
        name: "Ident",
        value: "Expr",
        when: "Expr | null",
      }),
    ],
  },
  {
    title: "items",
    declarations: [
      union(
        "Item",
        "ImportItem TypeItem ConstItem FnItem LossItem ModuleItem ModelItem StateItem KeysItem SurgeryItem DatasetItem GrammarItem PromptItem ScheduleItem StepItem OptimizerItem PrecisionItem TrainItem EvaluateItem TestItem PropertyItem GradcheckItem ErrorItem",
      ),
      node("ErrorItem", "errorItem", {}, { item: true }),
      node(
        "ImportItem",
        "import",
        {
          host: "boolean",
          names: "readonly { readonly name: Ident; readonly as: Ident | null }[]",
          from: "StringLit",
        },
        { item: true },
      ),
      node(
        "TypeItem",
        "type",
        {
          name: "Ident",
          type: "TypeNode",
        },
        { item: true },
      ),
      node(
        "ConstItem",
        "const",
        {
          name: "Ident",
          type: "TypeNode | null",
          value: "Expr",
        },
        { item: true },
      ),
      node("Param", "param", {
        each: "boolean",
        name: "Ident",
        type: "TypeNode",
        default: "Expr | null",
      }),
      node("Signature", "signature", {
        params: "readonly Param[]",
        effects: 'readonly ("random" | "updates")[]',
        result: "TypeNode",
      }),
      node(
        "FnItem",
        "fn",
        {
          fused: "boolean",
          name: "Ident",
          signature: "Signature",
          by: "Ident | null",
          body: "Block",
        },
        { item: true },
      ),
      node(
        "LossItem",
        "loss",
        {
          name: "Ident",
          signature: "Signature",
          body: "Block",
        },
        { item: true },
      ),
      node(
        "ModuleItem",
        "module",
        {
          name: "Ident",
          params: "readonly Param[]",
          members: "readonly ModuleMember[]",
        },
        { item: true },
      ),
      union("ModuleMember", "PartDecl LeafDecl ForwardDecl FnItem"),
      node("PartDecl", "part", {
        path: "readonly Ident[] // `prompt_translator.to_q` has two",
        value: "Expr",
        when: "Expr | null",
      }),
      node("LeafDecl", "leaf", {
        role: '"param" | "state"',
        name: "Ident",
        type: "TypeNode",
        init: "Expr | null",
        when: "Expr | null",
      }),
      node("ForwardDecl", "forward", {
        signature: "Signature",
        body: "Block",
      }),
      node(
        "ModelItem",
        "model",
        {
          name: "Ident",
          value: "Expr | null",
          from: "Expr | null",
          keys: "Ident | null",
          surgery: "Expr | null",
          mode: '"frozen" | "trained" | null',
        },
        { item: true },
      ),
      node(
        "StateItem",
        "stateItem",
        {
          name: "Ident",
          type: "TypeNode",
          args: "readonly Arg[]",
        },
        { item: true },
      ),
      node(
        "KeysItem",
        "keys",
        {
          name: "Ident",
          for: "Ident",
          under: "StringLit | null",
          rules:
            "readonly { readonly path: PartPath; readonly template: StringLit; readonly as: PatternLit | null; readonly span: Span }[]",
        },
        { item: true },
      ),
      node(
        "SurgeryItem",
        "surgery",
        {
          name: "Ident",
          params: "readonly Param[]",
          for: "Ident",
          rules: "readonly { readonly path: PartPath; readonly value: Expr; readonly span: Span }[]",
        },
        { item: true },
      ),
      node(
        "DatasetItem",
        "dataset",
        {
          name: "Ident",
          params: "readonly Param[]",
          members: "readonly DatasetMember[]",
        },
        { item: true },
      ),
      union("DatasetMember", "SourceMember OrderMember LetMember FieldDecl"),
      node("SourceMember", "source", {
        value: "Expr",
        when: "Expr | null",
      }),
      node("OrderMember", "order", {
        value: "Expr",
      }),
      node("LetMember", "letMember", {
        name: "Ident",
        value: "Expr",
      }),
      node("FieldDecl", "fieldDecl", {
        name: "Ident",
        type: "TypeNode",
        value: "Expr",
      }),
      node(
        "GrammarItem",
        "grammar",
        {
          name: "Ident",
          rules: "readonly { readonly name: Ident; readonly alternatives: readonly GrammarSeq[]; readonly span: Span }[]",
        },
        { item: true },
      ),
      node("GrammarSeq", "grammarSeq", {
        bits: "readonly GrammarBit[]",
      }),
      node("GrammarBit", "grammarBit", {
        body: '| { readonly kind: "text"; readonly text: string } | { readonly kind: "rule"; readonly name: string } | { readonly kind: "group"; readonly alternatives: readonly GrammarSeq[] } | { readonly kind: "chance"; readonly probability: number } | { readonly kind: "distinct"; readonly count: Expr; readonly separator: string; readonly alternatives: readonly GrammarSeq[] }',
        weight: "number | null // `^4`",
      }),
      node(
        "PromptItem",
        "prompt",
        {
          name: "Ident",
          params: "readonly Param[]",
          text: "StringLit",
        },
        { item: true },
      ),
      node(
        "ScheduleItem",
        "schedule",
        {
          name: "Ident",
          params: "readonly Param[]",
          spans: "readonly ScheduleSpan[]",
        },
        { item: true },
      ),
      node("ScheduleSpan", "scheduleSpan", {
        value: "Expr",
        length: "Expr | null // `for N`",
        toEnd: "boolean // `to end`",
      }),
      node(
        "StepItem",
        "step",
        {
          name: "Ident",
          batch: "Ident // `step distill(face: faces)`: `face`",
          oneOf: "boolean",
          dataset: "Ident",
          body: "Block",
        },
        { item: true },
      ),
      node(
        "OptimizerItem",
        "optimizer",
        {
          name: "Ident",
          params: "readonly Param[]",
          states: "readonly LeafDecl[]",
          signature: "Signature",
          body: "Block",
        },
        { item: true },
      ),
      node(
        "PrecisionItem",
        "precision",
        {
          record: "RecordExpr",
        },
        { item: true },
      ),
      node(
        "TrainItem",
        "train",
        {
          name: "Ident",
          like: "Ident | null",
          settings: "readonly Setting[]",
        },
        { item: true },
      ),
      union(
        "Setting",
        "ModelItem ConstItem PrecisionItem DataSetting NumberSetting AccumulateSetting CompatSetting RematSetting EverySetting OptimizerSetting EachStepSetting",
      ),
      node("DataSetting", "dataSetting", {
        name: "Ident",
        value: "Expr",
      }),
      node("NumberSetting", "numberSetting", {
        name: '"batch" | "micro_steps" | "seed" | "gradient"',
        value: "Expr",
      }),
      node("AccumulateSetting", "accumulate", {
        count: "number",
        by: "Ident",
      }),
      node("CompatSetting", "compat", {
        value: "Ident",
      }),
      node("RematSetting", "remat", {
        policy: '"none" | "all" | "fit"',
        bytes: "number",
        kept: "readonly { readonly names: readonly Ident[]; readonly span: Span }[]",
      }),
      node("EverySetting", "every", {
        name: '"save" | "log" | "preview"',
        count: "number",
        value: "Expr | null",
      }),
      node("OptimizerSetting", "optimizerSetting", {
        value: "Expr",
        groups: "readonly { readonly path: PartPath; readonly args: readonly Arg[]; readonly span: Span }[]",
      }),
      node("EachStepSetting", "eachStep", {
        mix: "Mix",
      }),
      union("Mix", "MixEvery MixOf"),
      node("MixEvery", "mixEvery", {
        count: "number",
        mix: "Mix",
        otherwise: "Mix",
      }),
      node("MixOf", "mixOf", {
        choices: "readonly { readonly weight: Expr | null; readonly step: Ident }[]",
      }),
      node(
        "EvaluateItem",
        "evaluate",
        {
          name: "Ident",
          members: "readonly EvaluateMember[]",
        },
        { item: true },
      ),
      union("EvaluateMember", "ModelItem Stmt SeedMember DataMember ReportMember"),
      node("SeedMember", "seedMember", {
        value: "number",
      }),
      node("DataMember", "dataMember", {
        name: "Ident",
        value: "Expr",
      }),
      node("ReportMember", "report", {
        names: "readonly Ident[]",
        by: "Expr",
        to: "StringLit",
      }),
      node(
        "TestItem",
        "test",
        {
          title: "StringLit",
          body: "Block",
        },
        { item: true },
      ),
      node(
        "PropertyItem",
        "property",
        {
          title: "StringLit",
          forall: "readonly { readonly name: Ident; readonly type: TypeNode; readonly in: Expr | null }[]",
          body: "readonly Stmt[]",
        },
        { item: true },
      ),
      node(
        "GradcheckItem",
        "gradcheck",
        {
          value: "Expr",
        },
        { item: true },
      ),
    ],
  },
];

/** A field's type without its remark. */
export function fieldType(text: string): string {
  return text.split(" // ")[0]!;
}
