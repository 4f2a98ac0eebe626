import { afterAll, beforeAll, expect, it } from "vitest";
import { compileEvaluate } from "../../compiler/compile.ts";
import { elaborateEvaluate } from "../../compiler/elaborate/index.ts";
import { programOf, promptsAndFaces, render } from "../../compiler/elaborate/testing.ts";
import type { Tokenizer } from "../../compiler/plan/prompt.ts";
import type { Batch } from "../../runtime/dataset/loader.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { createSession } from "../../runtime/execute/session.ts";
import { type EvaluationSource, evaluate } from "../../runtime/train/evaluate.ts";
import { targetOf } from "../plans/linearRegression.ts";
import { wordTokenizer } from "./words.testing.ts";

// An evaluation whose graph depends on texts of its data set: where a slot begins depends on the words before it.

const text = `${promptsAndFaces(1)}
module Net() {
  param weight: f32[c: 3] = [1, 2, 3]
  forward(x: real[...b, c: 3]) -> real[...b, c: 3] { return x * weight }
}
model net = Net() frozen
evaluate held_out {
  data face = faces("faces")
  let batch = 2
  let p = hello(face.name, length: 12)
  let y = net(mean(face.image, over: [h, w])) + 0.5 * sum(p.face, over: slot)
  for k in [1, 10] {
    let z = k * y
    measure auc: verification(z, face.who)
  }
  measure level: mean(y, over: c)
}`;
const names = ["ann", "barbara", "cleo", "dorothea"];
const image = (item: number) => [0.5 * item, -0.25, 0.125 * item];
const source: EvaluationSource = {
  batchesPerEpoch: 2,
  batch: async (index): Promise<Batch> => {
    const items = [2 * index, 2 * index + 1];
    return {
      kind: "batch",
      fields: {
        who: Int32Array.from(items.map((i) => i % 2)),
        name: items.map((i) => names[i]!),
        image: Float32Array.from(items.flatMap(image)),
      },
      items,
    };
  },
  validRows: () => 2,
  itemsOf: (index) => [2 * index, 2 * index + 1],
};
/** A long name is three tokens. */
const tokenizer = wordTokenizer(5, [4, 5, 6]);

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice({});
  if (!result.ok) throw new Error(`${result.reason}; ${result.help}`);
  opened = result;
});
afterAll(() => opened.close());

async function evaluated(given: Tokenizer | undefined) {
  const { program, resolution } = programOf(text);
  const made = elaborateEvaluate(program, resolution, "held_out");
  if (!made.ok) throw new Error(render(program, made.diagnostics));
  const session = await createSession(opened, compileEvaluate(made.value, "hash", targetOf(opened.adapter)), { poison: true });
  if (!session.ok) throw new Error(session.failure.message);
  try {
    return await evaluate(session.session, source, given === undefined ? {} : { tokenizer: given });
  } finally {
    session.session.dispose();
  }
}

it("texts of the batch move the positions of a slot", async () => {
  const outcome = await evaluated(tokenizer);
  if (!outcome.ok) throw new Error(outcome.failure.message);
  const { collected, measures } = outcome.evaluation;
  expect(measures.map((m) => m.name)).toEqual(["auc.0", "auc.1", "level"]);
  const wanted = names.flatMap((name, i) => {
    const first = 1 + 1 + (name.length > 5 ? 3 : 1);
    return image(i).map((x, c) => x * [1, 2, 3][c]! + 0.5 * (first + first + 1));
  });
  expect([...collected.tensors.get("z")!]).toEqual(wanted);
  expect([...collected.tensors.get("z#2")!]).toEqual(wanted.map((x) => 10 * x));
  const levels = names.map((_, i) => (wanted[3 * i]! + wanted[3 * i + 1]! + wanted[3 * i + 2]!) / 3);
  const { measured } = measures[2]!;
  expect(measured.value).toBeCloseTo(levels.reduce((a, b) => a + b, 0) / 4, 5);
  expect(measured.further.count).toBe(4);
  expect(measured.further.min).toBeCloseTo(Math.min(...levels), 5);
  expect(measured.further.max).toBeCloseTo(Math.max(...levels), 5);
});
it("without a tokenizer it says what is missing", async () => {
  const outcome = await evaluated(undefined);
  expect(outcome).toMatchObject({ ok: false, failure: { message: "the program has prompts, and there is no tokenizer" } });
});
