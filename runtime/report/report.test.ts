import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { linearRegression, plainTarget } from "../../test/plans/linearRegression.ts";
import { verify } from "../train/verification.ts";
import { smoothed } from "./charts.ts";
import { type RunOfReport, reportPage, writeReport } from "./report.ts";

let folder: string;
let files: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-report-"));
  files = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(async (i) => {
      const subject = join(folder, "pictures", `p${i >> 1}`);
      await mkdir(subject, { recursive: true });
      const path = join(subject, `${i}.png`);
      await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 40 * i, g: 90, b: 10 } } })
        .png()
        .toFile(path);
      return path;
    }),
  );
});
afterAll(() => rm(folder, { recursive: true }));

function run(): RunOfReport {
  const embeddings = [1, 0, 0.9, 0.1, 0, 1, 0.8, 0.6, -1, 0, -1, -0.2];
  const v = verify(Float32Array.from(embeddings), [0, 0, 1, 1, 2, 2]);
  if (!v.ok) throw new Error(v.message);
  const measured = { value: v.value.auc, further: { eer: v.value.equalErrorRate }, verification: v.value };
  const collected = { rows: 6, tensors: new Map(), fields: new Map(), items: [0, 1, 2, 3, 4, 5] };
  const metrics = { auc: v.value.auc, "auc/eer": v.value.equalErrorRate };
  const evaluation = { collected, measures: [{ name: "auc", metric: "verification", measured }], metrics };
  return {
    name: "small <run>",
    file: "a&b.ada",
    program: linearRegression(plainTarget).program,
    adapter: { name: "none", driver: "none" },
    rows: Array.from({ length: 30 }, (_, i) => ({
      step: i + 1,
      update: i + 1,
      values: { loss: 1 / (i + 1), lr: 0.1, grad_norm: i },
      time: { seconds: i, stepsPerSecond: 1 },
    })),
    evaluations: [{ name: "held_out", evaluation, fileOf: (row) => files[row]! }],
  };
}

describe("a report", () => {
  it("is one file with its charts and pictures inside, the same each time", async () => {
    const html = await reportPage(run());
    expect(html).toBe(await reportPage(run()));
    for (const title of ["Loss", "Learning rate", "grad_norm", "ROC curve", "Cosines"]) expect(html).toContain(`<b>${title}</b>`);
    expect(html.match(/<svg /g)?.length).toBe(5);
    expect(html.match(/src="data:image\/png;base64,/g)?.length).toBeGreaterThan(8);
    // Nothing is fetched: the only addresses are names of SVG's vocabulary.
    const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]!);
    expect(addresses.every((address) => address.startsWith("data:"))).toBe(true);
    expect(html).not.toMatch(/<script|@import|url\(/);
    expect(html).toContain("small &#60;run&#62;");
    expect(html).not.toContain("NaN");
  });

  it("draws mistakes with their cosines", async () => {
    const html = await reportPage(run());
    const { examples } = run().evaluations[0]!.evaluation.measures[0]!.measured.verification!;
    const wrong = [...examples.falseAccepts, ...examples.falseRejections];
    expect(wrong.length).toBeGreaterThan(0);
    for (const pair of wrong) expect(html).toContain(`<b>${pair.cosine.toFixed(3)}</b>`);
  });

  it("leaves out what the run does not have", async () => {
    const bare = await reportPage({ ...run(), rows: [], evaluations: [], program: null });
    expect(bare).not.toContain("<svg");
    expect(bare).toContain("<dt>adapter</dt>");
  });

  it("still stands when a picture is gone", async () => {
    const gone = run();
    const html = await reportPage({ ...gone, evaluations: [{ ...gone.evaluations[0]!, fileOf: () => join(folder, "gone.png") }] });
    expect(html).not.toContain("data:image/png");
    expect(html).toContain('alt="');
  });

  it("writes the numbers for scripts", async () => {
    const written = await writeReport(folder, run());
    expect(written).toEqual({ ok: true, value: join(folder, "report.html") });
    const json = JSON.parse(await readFile(join(folder, "report.json"), "utf8")) as { metrics: Record<string, number> };
    expect(json.metrics).toMatchObject({ auc: run().evaluations[0]!.evaluation.metrics.auc, loss: 1 / 30, steps: 30 });
    const nowhere = await writeReport(join(folder, "none"), run());
    expect(nowhere).toMatchObject({ ok: false, error: { message: expect.stringContaining("the report could not be saved") } });
  });
});

describe("smoothing", () => {
  it("leaves a straight line as it is", () => {
    const line = Array.from({ length: 12 }, (_, i) => ({ x: i, y: 3 * i }));
    expect(smoothed(line, 5)).toEqual(line);
  });
});
