import type { Graph, Value } from "../ir/value.ts";
import { graphInputs, topologicalOrder } from "../ir/walk.ts";
import type { EvaluateProgram, FunctionProgram, Leaf, TrainProgram, WalkProgram } from "./program.ts";

// Checks what elaboration must leave: every input of every graph is known under its name with that type, results have the shapes their
// names promise, arenas do not overlap, every combination of choices leads somewhere. A finding is a fault of the compiler.

type InputLeaf = Extract<Value, { readonly op: "input" }>;

/** What is wrong with an elaborated program; empty when it is sound. */
export function verifyElaborated(program: TrainProgram | EvaluateProgram | WalkProgram | FunctionProgram): string[] {
  const findings: string[] = [];
  const report = (message: string): void => {
    findings.push(`elaborate: ${message}`);
  };
  const graphs = graphsOf(program);
  const leaves = new Map(program.leaves.map((leaf) => [leaf.path, leaf]));
  if (leaves.size !== program.leaves.length) report("two leaves have one path");
  const declared = "uniforms" in program ? program.uniforms : []; // the legs of a walk take numbers as inputs
  const uniforms = new Map(declared.map((u) => [u.name, u.dtype]));
  if (uniforms.size !== declared.length) report("two uniforms have one name");
  for (const leaf of program.leaves) {
    if (leaf.init.shape.join() !== leaf.shape.join() || leaf.init.dtype !== "f32")
      report(`${leaf.path}: its starting value has another type`);
    for (const v of topologicalOrder([leaf.init])) if (v.op === "input") report(`${leaf.path}: its starting value reads ${v.attrs.name}`);
    if (leaf.trained && leaf.role !== "param") report(`${leaf.path}: state is not trained`);
  }
  for (const graph of graphs) {
    const names = graph.results.map((r) => r.name);
    if (new Set(names).size !== names.length) report(`${graph.name}: two results have one name`);
    for (const input of graphInputs(graph)) checkInput(input, graph, leaves, uniforms, report);
    for (const result of graph.results) checkResult(result.name, result.value, graph, leaves, report);
  }
  if ("kind" in program && program.kind === "train") checkTrain(program, report);
  return findings;
}

function graphsOf(program: TrainProgram | EvaluateProgram | WalkProgram | FunctionProgram): Graph[] {
  if ("kind" in program && program.kind === "walk") return program.legs.map((leg) => leg.graph);
  if (!("kind" in program) || program.kind === "evaluate") return [program.graph];
  const steps = program.steps.flatMap((s) => s.alternatives.map((a) => a.graph));
  return [
    ...new Set(steps),
    program.optimizer.graph,
    ...(program.gradient ? [program.gradient] : []),
    ...(program.preview ? [program.preview.graph] : []),
  ];
}

const arenaInput = /^(params|grads|state\..+)$/;

function checkInput(
  input: InputLeaf,
  graph: Graph,
  leaves: ReadonlyMap<string, Leaf>,
  uniforms: ReadonlyMap<string, string>,
  report: (m: string) => void,
): void {
  const { name, role, dtype, shape } = input.attrs;
  if (role === "uniform") {
    if (uniforms.get(name) !== dtype || shape.length > 0) report(`${graph.name}: uniform ${name} is not declared as ${dtype}`);
    return;
  }
  if (role === "data" || role === "grad" || (shape.length <= 1 && arenaInput.test(name) && !leaves.has(name))) return;
  const leaf = leaves.get(name);
  if (!leaf) report(`${graph.name}: ${role} ${name} is no leaf of a model`);
  else if (leaf.role !== role || leaf.shape.join() !== shape.join()) report(`${graph.name}: ${name} is read as another type than it has`);
}

function checkResult(name: string, value: Value, graph: Graph, leaves: ReadonlyMap<string, Leaf>, report: (m: string) => void): void {
  if ((name === "loss" || name.startsWith("log.")) && (value.shape.length > 0 || value.dtype !== "f32"))
    report(`${graph.name}: ${name} is not one number`);
  if (!name.startsWith("update.")) return;
  const leaf = leaves.get(name.slice("update.".length));
  if (leaf?.role !== "state") report(`${graph.name}: ${name} updates no state`);
  else if (leaf.shape.join() !== value.shape.join()) report(`${graph.name}: ${name} has another shape than the state`);
}

function checkTrain(program: TrainProgram, report: (m: string) => void): void {
  const { arena, steps, optimizer } = program;
  let end = 0;
  for (const slice of arena.slices) {
    if (slice.offset < end) report(`arena: ${slice.path} overlaps its neighbour`);
    end = slice.offset + slice.size;
    if (!program.leaves.some((leaf) => leaf.path === slice.path && leaf.trained)) report(`arena: ${slice.path} is no trained parameter`);
  }
  if (end > arena.size) report("arena: too small");
  if (optimizer.groups.length !== arena.groups.length) report("the arena has other groups than the optimiser");
  for (const step of steps) {
    const keys = new Set(step.alternatives.map((a) => JSON.stringify(a.key)));
    if (keys.size !== step.alternatives.length) report(`step ${step.name}: one key leads to two alternatives`);
    if (step.alternatives.some((a) => a.key.length !== step.choices.length))
      report(`step ${step.name}: a key does not answer every choice`);
  }
}
