import path from "node:path";
import { elaborateFunction } from "../../compiler/elaborate/index.ts";
import type { PlanFileKey } from "../../compiler/plan/plan.ts";
import { resolveNames } from "../../dsl/names.ts";
import { loadProgram } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { diskHost, packageRoot, type SourceHost } from "../../dsl/source.ts";

// Where the parameters of a network of `models/` lie in a file, as its `keys` blocks say. In: a network with a `keys` block, and a use of it
// (what is not used has no parameters). Out: a row per parameter. The networks are the package's own, so what goes wrong here is our mistake.

export interface NetworkUse {
  /** The file in `models/`, and what of it is used. */
  readonly file: string;
  readonly names: readonly string[];
  /** A model `m` without its source: `UNet()`. */
  readonly network: string;
  readonly keys: string;
  /** An expression that uses every part of `m`. */
  readonly use: string;
}

/** The places of a network's parameters. */
export function bindingsOf({ file, names, network, keys, use }: NetworkUse): readonly PlanFileKey[] {
  const text = `import { ${[...names, keys].join(", ")} } from "models/${file}.ada"
model m = ${network} from "weights" keys ${keys} frozen
fn places() -> real { return mean(${use}) }
`;
  const root = packageRoot();
  const disk = diskHost(root);
  const own = path.join(root, "places.ada");
  const host: SourceHost = {
    ...disk,
    workingFolder: root,
    exists: (name) => name === own || disk.exists(name),
    readFile: (name) => (name === own ? { text } : disk.readFile(name)),
  };
  const program = loadProgram("places.ada", host);
  const { resolution, diagnostics } = resolveNames(program);
  const made = diagnostics.length > 0 ? ({ ok: false, diagnostics } as const) : elaborateFunction(program, resolution, "places", []);
  if (!made.ok) throw new Error(`internal: ${renderDiagnostics(made.diagnostics, (name) => program.files.get(name)?.text)}`);
  const found = made.value.models[0]?.keys;
  if (found === undefined) throw new Error(`internal: ${network} has no places`);
  return found;
}
