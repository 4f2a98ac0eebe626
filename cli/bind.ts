import type { Leaf } from "../compiler/elaborate/program.ts";
import type { PlanModel } from "../compiler/plan/plan.ts";
import { type Binding, bindModel } from "../runtime/checkpoint/binding.ts";
import { openTensorFile } from "../runtime/checkpoint/open.ts";
import { elaborateFile } from "./compileFile.ts";
import { isBlockName, processStreams, type Streams } from "./job.ts";

// `adac bind FILE`: for every model that begins from a file, which tensor of it each parameter is, and what is left over on both sides. Only
// headers are read. Exit status 0 when every parameter has its tensor, else 1.

export interface BindRequest {
  readonly file: string;
  readonly block?: string;
  readonly overrides?: Readonly<Record<string, string>>;
  /** Also list every parameter with its tensor. */
  readonly all?: boolean;
  readonly streams?: Streams;
}

const mostListed = 12;
const listed = (lines: readonly string[]): string =>
  lines.length <= mostListed ? lines.join("") : `${lines.slice(0, mostListed).join("")}  and ${lines.length - mostListed} more\n`;

/** The report of one model. */
function bindingText(model: PlanModel, what: string, { places, unbound, unfit, free }: Binding<Leaf>, all: boolean): string {
  const fine = places.length - unbound.length - unfit.length;
  const lines = [
    `${model.name} = ${model.module} from ${what}: ${fine} of ${places.length} parameters have their tensor\n`,
    ...(all ? places.map(({ tensor, key }) => `  ${tensor.path} -> ${key}\n`) : []),
    listed(
      unbound.map(
        ({ place, near }) =>
          `  ${place.tensor.path} [${place.tensor.shape.join(", ")}] -> ${place.key}, which is not there${near === undefined ? "" : `; ${near} is`}\n`,
      ),
    ),
    listed(
      unfit.map(
        ({ place, entry }) =>
          `  ${place.tensor.path} -> ${place.key} is ${entry.dtype} [${entry.shape.join(", ")}]; [${place.shape.join(", ")}] of floats is needed\n`,
      ),
    ),
    ...(free.length === 0
      ? []
      : [`  ${free.length} tensors of the file are nobody's: ${free.slice(0, 3).join(", ")}${free.length > 3 ? ", …" : ""}\n`]),
  ];
  return lines.join("");
}

/** Prints the report; gives the exit status. */
export async function bindCommand({ file, block, overrides = {}, all = false, streams = processStreams }: BindRequest): Promise<number> {
  const made = elaborateFile({ file, overrides, ...(block === undefined ? {} : { block }) });
  if (!made.ok) {
    streams.err.write(made.text);
    return made.status;
  }
  let status = 0;
  let models = 0;
  const seen = new Set<string>();
  for (const { program } of made.blocks)
    for (const model of program.models) {
      const leaves = program.leaves.filter((leaf) => leaf.key.startsWith(`${model.name}.`));
      // Blocks share models; one that they use in different parts is another binding.
      const name = `${model.name} ${model.from} ${leaves.map((leaf) => leaf.key).join()}`;
      if (model.from === null || isBlockName(model.from) || seen.has(name)) continue;
      seen.add(name);
      models++;
      const opened = await openTensorFile(model.from);
      if (!opened.ok) {
        streams.out.write(`${model.name} = ${model.module} from ${model.from}: ${opened.error.message}\n`);
        status = 1;
        continue;
      }
      const binding = bindModel(opened.value, model, leaves);
      await opened.value.close();
      streams.out.write(bindingText(model, `${model.from} (${opened.value.format})`, binding, all));
      if (binding.unbound.length + binding.unfit.length > 0) status = 1;
    }
  if (models === 0) streams.out.write(`${file}: no model begins from a file\n`);
  return status;
}
