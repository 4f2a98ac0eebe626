import { type OptionalKind, Project, type PropertySignatureStructure, type SourceFile, VariableDeclarationKind } from "ts-morph";
import { type TextureKind, texelBytesOf } from "../plan/operandTexture.ts";
import type { BindingKind, Plan, PlanLeg } from "../plan/plan.ts";

// Typed TypeScript bindings of a plan folder: what each leg takes and gives, the parameters by key with their shapes, and a loader. In: the
// plans. Out: the text of `plan.ts`, which stands alone: it imports Node's own modules and nothing else.

type Named = PlanLeg["inputs"][number];
type Property = OptionalKind<PropertySignatureStructure>;

const arrayOf = { f32: "Float32Array", f16: "Uint16Array", i32: "Int32Array", u32: "Uint32Array", bool: "Uint32Array" } as const;
const tensorText = ({ dtype, shape }: Pick<Named, "dtype" | "shape">): string => `${dtype}[${shape.join(", ")}]`;

/** The text of `plan.ts` for a folder of plans. */
export function planBindings(plans: readonly Plan[], source: { readonly file: string }): string {
  const project = new Project({ useInMemoryFileSystem: true, skipLoadingLibFiles: true });
  const file = project.createSourceFile("plan.ts", "");
  file.addStatements([
    `// Made by adac ${plans[0]?.compiler ?? ""} from ${oneLine(source.file)}; \`adac compile\` makes it again. Typed access to the plans in this folder.`,
    `import { readFile } from "node:fs/promises";`,
    `import { join } from "node:path";`,
  ]);
  addPlanTypes(file);
  file.addInterface({
    name: "Plans",
    isExported: true,
    docs: ["The blocks of the program, by name."],
    properties: plans.map((plan) =>
      readonly(plan.program.name, `Plan<${interfaceName(plan)}>`, `${plan.program.kind} ${plan.program.name}`),
    ),
  });
  for (const plan of plans) addBlock(file, plan);
  addLoader(file, plans);
  return file.getFullText();
}

function readonly(name: string, type: string, doc?: string): Property {
  return { name: JSON.stringify(name), type, isReadonly: true, ...(doc === undefined ? {} : { docs: [doc] }) };
}
const oneLine = (text: string): string => text.replace(/\s+/g, " ");

const kindNames: Readonly<Record<Plan["program"]["kind"], string>> = {
  train: "Train",
  evaluate: "Evaluate",
  walk: "Evaluate",
  surgery: "Surgery",
  function: "Function",
};
/** `held_out` -> `HeldOut`; the kind keeps a train block and an evaluate block of one name apart. */
function interfaceName(plan: Plan): string {
  const words = plan.program.name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const name = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
  return `${name}${kindNames[plan.program.kind]}`;
}

/** The shape of all plans, as far as a user of a folder needs it. */
function addPlanTypes(file: SourceFile): void {
  file.addInterface({
    name: "Block",
    isExported: true,
    docs: ["What the types of one block say: the tensors of each leg, and the keys of what outlives legs."],
    properties: [readonlyPlain("legs", "object"), readonlyPlain("stored", "string"), readonlyPlain("parameters", "string")],
  });
  file.addInterface({
    name: "Place",
    isExported: true,
    docs: ["A byte range of a buffer of the plan."],
    properties: [
      readonlyPlain("buffer", "number"),
      readonlyPlain("offset", "number"),
      readonlyPlain("bytes", "number"),
      {
        ...readonlyPlain("rowBytes", "number"),
        hasQuestionToken: true,
        docs: ["Of a matrix that a kernel reads in stripes: bytes of a row."],
      },
    ],
  });
  file.addInterface({
    name: "Tensor",
    isExported: true,
    docs: ["A named tensor that the host writes or reads."],
    typeParameters: ["Name extends string"],
    properties: [
      readonlyPlain("name", "Name"),
      readonlyPlain("at", "Place"),
      readonlyPlain("dtype", `"f32" | "f16" | "i32" | "u32" | "bool"`),
      readonlyPlain("shape", "readonly number[]"),
    ],
  });
  file.addInterface({
    name: "Kernel",
    isExported: true,
    docs: ["One WGSL module with the entry point `main`; the uniform buffer, if bound, is the last binding of group 0."],
    properties: [
      readonlyPlain("id", "string"),
      readonlyPlain("name", "string"),
      readonlyPlain("file", "string"),
      readonlyPlain("wgsl", "string"),
      readonlyPlain("bindings", `readonly (${bindingKinds.map((kind) => JSON.stringify(kind)).join(" | ")})[]`),
    ],
  });
  file.addTypeAlias({
    name: "Operation",
    isExported: true,
    docs: ["What a leg does, in order."],
    type: [
      `{ readonly kind: "dispatch"; readonly kernel: number; readonly bindings: readonly Place[]; readonly grid: readonly [number, number, number]; readonly what: string }`,
      `{ readonly kind: "copy"; readonly from: Place; readonly to: Place }`,
      `{ readonly kind: "clear"; readonly target: Place }`,
      `{ readonly kind: "repeat"; readonly count: number; readonly what: string; readonly items: readonly { readonly from: Place; readonly uniform: number; readonly words: number }[]; readonly ops: readonly Operation[]; readonly every: readonly { readonly from: Place; readonly to: Place }[] }`,
    ].join(" | "),
  });
  file.addInterface({
    name: "Leg",
    isExported: true,
    docs: ["A list of operations that runs in one submit."],
    typeParameters: ["Name extends string", "Types"],
    properties: [
      readonlyPlain("name", "Name"),
      readonlyPlain("ops", "readonly Operation[]"),
      readonlyPlain("inputs", `readonly Tensor<Types extends { readonly inputs: infer I } ? keyof I & string : string>[]`),
      readonlyPlain("outputs", `readonly Tensor<Types extends { readonly outputs: infer O } ? keyof O & string : string>[]`),
    ],
  });
  file.addInterface({
    name: "Plan",
    isExported: true,
    docs: ["A compiled block: buffers, kernels and legs."],
    typeParameters: ["B extends Block"],
    properties: [
      readonlyPlain("kernels", "readonly Kernel[]"),
      readonlyPlain(
        "buffers",
        `readonly { readonly id: number; readonly name: string; readonly bytes: number; readonly use: "persistent" | "input" | "output" | "slot" | "constant" | "uniform"; readonly data?: string }[]`,
      ),
      readonlyPlain(
        "legs",
        `readonly { readonly [Name in keyof B["legs"] & string]: Leg<Name, B["legs"][Name]> }[keyof B["legs"] & string][]`,
      ),
      readonlyPlain(
        "stored",
        `readonly { readonly key: B["stored"]; readonly role: "param" | "state" | "optimizer"; readonly shape: readonly number[]; readonly order?: readonly number[]; readonly at: Place }[]`,
      ),
    ],
  });
}
const bindingKinds: readonly BindingKind[] = ["read", "readWrite", ...(Object.keys(texelBytesOf) as TextureKind[]), "uniform"];
const readonlyPlain = (name: string, type: string): Property => ({ name, type, isReadonly: true });

function addBlock(file: SourceFile, plan: Plan): void {
  const stored = "stored" in plan.program ? plan.program.stored : [];
  const name = interfaceName(plan);
  const keys = (wanted: readonly { readonly key: string }[]) =>
    wanted.length === 0 ? "never" : wanted.map(({ key }) => JSON.stringify(key)).join(" | ");
  file.addTypeAlias({
    name: `${name}Parameter`,
    isExported: true,
    docs: [`Keys of the parameters of ${plan.program.name}.`],
    type: keys(stored.filter((tensor) => tensor.role === "param")),
  });
  file.addInterface({
    name: `${name}Parameters`,
    isExported: true,
    docs: ["The parameters with their shapes."],
    properties: stored
      .filter((tensor) => tensor.role === "param")
      .map((tensor) => readonly(tensor.key, "Float32Array", tensorText(tensor))),
  });
  for (const leg of plan.legs) {
    const side = (tensors: readonly Named[]): Property[] =>
      tensors.map((tensor) => readonly(tensor.name, arrayOf[tensor.dtype], tensorText(tensor)));
    file.addInterface({
      name: legInterface(name, leg, "Inputs"),
      isExported: true,
      docs: [`What the host writes before leg ${leg.name}.`],
      properties: side(leg.inputs),
    });
    file.addInterface({
      name: legInterface(name, leg, "Outputs"),
      isExported: true,
      docs: [`What the host may read after leg ${leg.name}.`],
      properties: side(leg.outputs),
    });
  }
  file.addInterface({
    name,
    isExported: true,
    docs: [`The types of ${plan.program.kind} ${plan.program.name}.`],
    properties: [
      readonlyPlain("legs", `${name}Legs`),
      readonlyPlain("parameters", `${name}Parameter`),
      readonlyPlain("stored", keys(stored)),
    ],
  });
  file.addInterface({
    name: `${name}Legs`,
    isExported: true,
    properties: plan.legs.map((leg) =>
      readonly(
        leg.name,
        `{ readonly inputs: ${legInterface(name, leg, "Inputs")}; readonly outputs: ${legInterface(name, leg, "Outputs")} }`,
      ),
    ),
  });
}
function legInterface(block: string, leg: PlanLeg, side: "Inputs" | "Outputs"): string {
  const words = leg.name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return `${block}${words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("")}${side}`;
}

function addLoader(file: SourceFile, plans: readonly Plan[]): void {
  file.addVariableStatement({
    isExported: true,
    declarationKind: VariableDeclarationKind.Const,
    docs: ["Names of the blocks."],
    declarations: [{ name: "planNames", initializer: `${JSON.stringify(plans.map((plan) => plan.program.name))} as const` }],
  });
  file.addFunction({
    name: "loadPlan",
    isAsync: true,
    isExported: true,
    docs: ["Reads the plans of a folder made by `adac compile`, with the text of their kernels."],
    parameters: [{ name: "folder", type: "string" }],
    returnType: "Promise<Plans>",
    statements: [
      `const read = JSON.parse(await readFile(join(folder, "plan.json"), "utf8")) as { readonly plans: readonly (Omit<Plan<Block>, "kernels"> & { readonly program: { readonly name: string }; readonly kernels: readonly Omit<Kernel, "wgsl">[] })[] };`,
      `const plans = await Promise.all(read.plans.map(async (plan) => {
  const kernels = await Promise.all(plan.kernels.map(async (kernel) => ({ ...kernel, wgsl: await readFile(join(folder, kernel.file), "utf8") })));
  return [plan.program.name, { ...plan, kernels }] as const;
}));`,
      "return Object.fromEntries(plans) as unknown as Plans;",
    ],
  });
}
