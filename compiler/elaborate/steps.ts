import type { StepItem } from "../../dsl/ast.ts";
import type { SourceFileId } from "../../dsl/program.ts";
import type { GraphResult } from "../ir/value.ts";
import { applyBinary } from "./arithmetic.ts";
import { explore } from "./choices.ts";
import { batchOf } from "./datasets.ts";
import { fail, withCaller } from "./failure.ts";
import type { Files } from "./files.ts";
import type { Alternative, StepKind } from "./program.ts";
import type { Effects } from "./session.ts";
import { endedAtMost, runStatements } from "./statements.ts";
import type { DatasetVal, TensorVal, Val } from "./values.ts";

/** A data setting of the block, and the fields of it that are read. */
export interface DataBinding {
  readonly setting: string;
  readonly dataset: DatasetVal;
  readonly read: Set<string>;
}

/** A step as one graph per alternative: what it minimises, logs and updates. */
export function elaborateStep(
  files: Files,
  item: StepItem,
  file: SourceFileId,
  data: ReadonlyMap<string, DataBinding>,
  batch: number,
): StepKind {
  const { session } = files;
  const name = item.name.name;
  const binder = item.batch.name;
  const binding = data.get(binder);
  if (!binding) {
    fail(
      "elaborate/missing-setting",
      item.batch.span,
      { name: `step ${name}`, setting: `data for \`${binder}\`` },
      { help: `the block needs \`data ${binder} = ${item.dataset.name}(…)\`` },
    );
  }
  const declared = files.itemsOf(file).get(item.dataset.name);
  if (declared?.item !== binding.dataset.item) {
    fail("type/mismatch", item.dataset.span, {
      found: `data of \`${binding.dataset.item.name.name}\``,
      expected: `data of \`${item.dataset.name}\``,
    });
  }
  const scope = files.scope(file).child({
    values: new Map<string, Val>([
      [binder, batchOf(binding.dataset, binder, batch, item.oneOf, binding.read, item.span)],
      ["progress", { kind: "host", expr: { kind: "counter", name: "progress" }, type: "real" }],
      ["micro_step", { kind: "host", expr: { kind: "counter", name: "microStep" }, type: "int" }],
    ]),
    sizes: new Map([["batch", batch]]),
  });
  const ways = new Map<string, Omit<Alternative, "key">>();
  const explored = explore(
    (choices) => {
      session.choices = choices;
      try {
        const { effects } = session.inBody("step", [name], () =>
          withCaller(item.name.span, `in step \`${name}\``, () => endedAtMost(() => runStatements(item.body.statements, scope))),
        );
        const results = stepResults(files, effects, item);
        const { ended, tables } = effects;
        const reads = effects.reads.map(({ name: read, type }) => ({ name: read, type }));
        const notes = Object.fromEntries(effects.notes);
        // alternatives that come out alike share one graph
        const key = [...results.map((r) => `${r.name}=${r.value.id}`), ended ?? "", JSON.stringify([tables, notes])].join();
        const way = ways.get(key) ?? { graph: { name, results }, reads, ended, tables, notes };
        ways.set(key, way);
        return way;
      } finally {
        session.choices = null;
      }
    },
    name,
    item.name.span,
  );
  return {
    name,
    dataset: { binder, setting: binding.setting },
    choices: explored.choices,
    alternatives: explored.alternatives.map(({ key, value }) => ({ key, ...value })),
  };
}

function stepResults(files: Files, effects: Effects, item: StepItem): GraphResult[] {
  const { session } = files;
  const results: GraphResult[] = [];
  if (effects.minimized.length > 0) {
    const loss = effects.minimized.reduce((a, b) => applyBinary(session, "+", a, b, item.span) as TensorVal);
    results.push({ name: "loss", value: loss.value });
  }
  for (const { name, value } of effects.reads) results.push({ name: `read.${name}`, value });
  for (const [name, value] of effects.logs) results.push({ name: `log.${name}`, value: value.value });
  for (const key of effects.updated) results.push({ name: `update.${key}`, value: (effects.cells.get(key) as TensorVal).value });
  return results;
}
