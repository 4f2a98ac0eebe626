// Decoding threads run compiled code: this test compiles the folder first, into a place that tools ignore, and reads through real threads.
import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { HostDistribution, HostExpr } from "../../compiler/plan/host.ts";
import type { PlanField } from "../../compiler/plan/plan.ts";
import { openDecoder } from "./decoder.ts";
import { openSources } from "./folder.ts";
import { BatchLoader } from "./loader.ts";
import { makeFolder, side } from "./testFolder.ts";

const project = resolve(import.meta.dirname, "../..");
const compiled = join(project, ".cache", `dataset-threads-${process.pid}`);
const body = pathToFileURL(join(compiled, "runtime/dataset/decodeWorker.js"));
let root = "";

beforeAll(async () => {
  await mkdir(compiled, { recursive: true });
  const config = {
    extends: join(project, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      outDir: compiled,
      rootDir: project,
      types: ["node"],
      typeRoots: [join(project, "node_modules/@types")],
    },
    files: [join(project, "runtime/dataset/index.ts"), join(project, "runtime/dataset/decodeWorker.ts")],
    include: [],
  };
  await writeFile(join(compiled, "tsconfig.json"), JSON.stringify(config));
  await promisify(execFile)(process.execPath, [join(project, "node_modules/typescript/bin/tsc"), "-p", compiled]);
  root = await makeFolder(4, 3);
}, 60_000);
afterAll(async () => {
  await rm(compiled, { recursive: true, force: true });
  await rm(root, { recursive: true, force: true });
});

const unit: HostDistribution = { kind: "uniform", low: { kind: "number", value: 0.3 }, high: { kind: "number", value: 1 } };
let streams = 0;
const drawn = (distribution: HostDistribution): HostExpr => ({ kind: "draw", stream: `faces.${streams++}`, distribution });
const fields: PlanField[] = [
  { name: "image", kind: "image", file: "image", channels: 3, height: side, width: side, range: [-1, 1] },
  { name: "label", kind: "subjectIndex" },
  {
    name: "moved",
    kind: "image",
    file: "mask",
    or: "white",
    channels: 1,
    height: 12,
    width: 10,
    range: [0, 1],
    steps: [
      { kind: "resize", height: 12, width: 10, rule: "smooth" },
      { kind: "flip", when: drawn({ kind: "coin", probability: { kind: "number", value: 0.5 } }) },
      { kind: "place", scale: drawn(unit), move: [drawn(unit), drawn(unit)], margin: 1 },
    ],
  },
];
const open = async () => {
  const dataset = await openSources([{ root, perSubject: true, files: "*.png", skip: "*_mask.png", first: null, onBroken: "skip" }]);
  if (dataset.kind === "error") throw new Error(dataset.message);
  return dataset;
};

it("threads give the same batches as decoding in place", async () => {
  const dataset = await open();
  const options = { dataset, fields, batch: 5, seed: 3, order: "shuffled" } as const;
  const inPlace = new BatchLoader({ ...options, decoder: openDecoder(0) });
  const threaded = new BatchLoader({ ...options, decoder: openDecoder(2, body) });
  for (let i = 0; i < 6; i++) expect(await threaded.batch(i)).toEqual(await inPlace.batch(i));
  await threaded.close();
  expect(await threaded.batch(0)).toMatchObject({ kind: "error", code: "dataset/lost-thread" });
});

it("closing answers what is still in work", async () => {
  const dataset = await open();
  const batches = new BatchLoader({ dataset, fields, batch: 12, seed: 3, order: "sequential", decoder: openDecoder(1, body) });
  const begun = batches.batch(0);
  await batches.close();
  expect(["batch", "error"]).toContain((await begun).kind);
});

it("a thread that dies ends the batch with an error, not with silence", async () => {
  const dying = join(compiled, "dying.mjs");
  await writeFile(dying, 'import { parentPort } from "node:worker_threads"; parentPort.on("message", () => process.exit(3));');
  const dataset = await open();
  const batches = new BatchLoader({
    dataset,
    fields,
    batch: 2,
    seed: 3,
    order: "sequential",
    decoder: openDecoder(1, pathToFileURL(dying)),
  });
  expect(await batches.batch(0)).toMatchObject({ kind: "error", code: "dataset/lost-thread", message: expect.stringContaining("stopped") });
  await batches.close();
});

it("the compiled package finds its own thread body, and does not keep the process alive", async () => {
  const script = join(compiled, "use.mjs");
  const index = JSON.stringify(pathToFileURL(join(compiled, "runtime/dataset/index.js")).href);
  await writeFile(
    script,
    `import { BatchLoader, openDecoder, openSources } from ${index};
const dataset = await openSources([{ root: ${JSON.stringify(root)}, perSubject: true, files: "*.png", skip: "*_mask.png", first: null, onBroken: "skip" }]);
const decoder = openDecoder();
const batches = new BatchLoader({ dataset, fields: ${JSON.stringify(fields)}, batch: 4, seed: 1, order: "shuffled", decoder });
const batch = await batches.batch(0);
console.log(decoder.threads > 0, batch.kind, batch.fields.image.length);`,
  );
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 20_000 });
  expect(stdout.trim()).toBe(`true batch ${4 * 3 * side * side}`);
});
