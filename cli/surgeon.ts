import { compileSurgery } from "../compiler/compile.ts";
import { elaborateSurgery } from "../compiler/elaborate/index.ts";
import { TooLarge } from "../compiler/memory/windows.ts";
import type { Diagnostic } from "../dsl/diagnostic.ts";
import { fail, good } from "../runtime/checkpoint/files.ts";
import type { Surgeon } from "../runtime/train/surgery.ts";
import { lateProblem, placesIn, readAgain } from "./compileFile.ts";
import type { BlockProgram } from "./job.ts";

/** Compiles the surgeries of a block, each when a file's header says what it has to work on. */
export function surgeonFor(file: string, overrides: Readonly<Record<string, string>>, plan: BlockProgram): Surgeon {
  const { program, target } = plan;
  return (model, shapes) => {
    const again = readAgain({ file, overrides });
    if (!again.ok) return again;
    const read = again.value;
    const wrong = (diagnostic: Diagnostic) => {
      const { message, help } = lateProblem(diagnostic, read, "begin from a file whose tensors have the model's shapes");
      return fail("surgery", message, help);
    };
    const planned = program.models.find((one) => one.name === model)?.surgery;
    if (planned === undefined) throw new Error(`internal: the model ${model} has no surgery`);
    const stored = new Map(program.stored.map((tensor) => [tensor.key, tensor]));
    const made = elaborateSurgery(read.checked.program, {
      block: program.name,
      model,
      surgery: planned.name,
      seed: program.kind === "train" ? program.settings.seed : program.seed,
      overrides,
      params: planned.params.flatMap((param) => {
        const inFile = shapes.get(param.key);
        return inFile === undefined ? [] : [{ ...param, shape: stored.get(param.key)!.shape, inFile }];
      }),
    });
    if (!made.ok) return wrong(made.diagnostics[0]!);
    try {
      return good(compileSurgery(made.value, target, { placeOf: placesIn(read.checked) }));
    } catch (error) {
      if (error instanceof TooLarge) return wrong(error.diagnostic);
      throw error;
    }
  };
}
