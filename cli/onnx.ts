import { printGraph } from "../compiler/ir/print.ts";
import { importOnnx, operatorNames } from "../compiler/onnx/importGraph.ts";
import type { OnnxModel } from "../compiler/plan/onnxModel.ts";
import { openOnnx } from "../runtime/checkpoint/onnxFile.ts";
import { problemText, processStreams, type Streams } from "./job.ts";

// `adac onnx FILE`: what a model of ONNX consists of, which of its operators are imported, and the graph that it becomes.

export interface OnnxRequest {
  readonly file: string;
  /** `name=1,3,112,112` for inputs whose sizes are open. */
  readonly shapes: Readonly<Record<string, string>>;
  /** Print the tensor IR. */
  readonly emit?: boolean;
  readonly streams?: Streams;
}

/** Shapes of all inputs: those given, else the file's where they are whole. */
function shapesOf(model: OnnxModel, given: Readonly<Record<string, string>>): Record<string, readonly number[]> | string {
  const shapes: Record<string, readonly number[]> = {};
  for (const [name, text] of Object.entries(given)) {
    if (!model.inputs.some((input) => input.name === name))
      return `the model has no input ${name}; it has ${model.inputs.map((one) => one.name).join(", ")}`;
    if (!/^\d+(,\d+)*$/.test(text)) return `${name}=${text} is no shape`;
    shapes[name] = text.split(",").map(Number);
  }
  for (const { name, dims } of model.inputs) {
    if (shapes[name] !== undefined) continue;
    if (dims === null || dims.some((size) => typeof size !== "number" || size < 1))
      return `the sizes of ${name} are open: [${dims?.map((d) => d ?? "?").join(", ") ?? "?"}]`;
    shapes[name] = dims as readonly number[];
  }
  return shapes;
}

/** Prints a model; gives the exit status. */
export async function onnxCommand({ file, shapes: given, emit, streams = processStreams }: OnnxRequest): Promise<number> {
  const opened = await openOnnx(file);
  if (!opened.ok) {
    streams.err.write(problemText(opened.error));
    return 1;
  }
  const { model, format } = opened.value;
  await opened.value.close();
  const shapes = shapesOf(model, given);
  if (typeof shapes === "string") {
    streams.err.write(problemText({ message: shapes, help: "say it with --shape NAME=1,3,112,112" }));
    return 2;
  }
  const imported = importOnnx(model, shapes);
  if (!emit || !imported.ok) {
    const counts = new Map<string, number>();
    for (const { op } of model.nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
    const census = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
    const rows = census.map(([op, count]) => `  ${op} ${count}${operatorNames.includes(op) ? "" : " (not imported)"}\n`);
    const inputs = model.inputs.map(({ name }) => `${name} [${shapes[name]!.join(", ")}]`).join(", ");
    streams.out.write(`${file}: ${format}\n${inputs} -> ${model.outputs.join(", ")}\n${rows.join("")}`);
  }
  if (!imported.ok) {
    streams.err.write(problemText(imported));
    return 1;
  }
  const { graph, weights, known } = imported.value;
  if (emit) streams.out.write(printGraph(graph));
  else
    streams.out.write(
      `${weights.length} large weights are inputs, ${known.size} of ${model.outputs.length} outputs are known without running\n`,
    );
  return 0;
}
