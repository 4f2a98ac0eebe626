import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StoredTensor } from "../../compiler/plan/plan.ts";
import { linearRegression, plainTarget } from "../../test/plans/linearRegression.ts";
import { findCheckpoint, loadTensors, openCheckpoint, programDifference, type SaveRequest, saveCheckpoint } from "./checkpoint.ts";
import { type CheckpointError, type Files, realFiles } from "./files.ts";

const { program } = linearRegression(plainTarget);
let run: string;
let root: string;
beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), "ada-checkpoint-"));
  root = join(run, "checkpoints");
});
afterEach(() => rm(run, { recursive: true }));

const valuesOf = (tensor: StoredTensor, update: number) =>
  Float32Array.from({ length: tensor.shape.reduce((a, b) => a * b, 1) }, (_, i) => update + i / 8);

function request(update: number, changes: Partial<SaveRequest> = {}): SaveRequest {
  return {
    root,
    manifest: {
      program: program.name,
      sourceHash: program.sourceHash,
      compiler: "0",
      settings: program.settings,
      counters: { update, microStep: 2 * update, batches: { face: 2 * update } },
      log: { sums: {} },
      adapter: { name: "none", driver: "none" },
    },
    stored: program.stored,
    read: (tensor) => [new Uint8Array(valuesOf(tensor, update).buffer)],
    keepLast: null,
    ...changes,
  };
}
async function save(update: number, changes: Partial<SaveRequest> = {}): Promise<string> {
  const saved = await saveCheckpoint(request(update, changes));
  if (!saved.ok) throw new Error(saved.error.message);
  return saved.value;
}
async function errorOf(folder: string): Promise<CheckpointError | null> {
  const opened = await openCheckpoint(folder);
  if (!opened.ok) return opened.error;
  await opened.value.close();
  return null;
}

describe("a checkpoint", () => {
  it("gives back tensors and counters, and is the same bytes each time", async () => {
    const folder = await save(3);
    expect(await readFile(join(root, "latest"), "utf8")).toBe("000003\n");
    const found = await findCheckpoint(run);
    expect(found).toEqual({ ok: true, value: folder });
    const opened = await openCheckpoint(folder);
    if (!opened.ok) throw new Error(opened.error.message);
    expect(opened.value.manifest.counters).toEqual({ update: 3, microStep: 6, batches: { face: 6 } });
    const seen = new Map<string, number[]>();
    const loaded = await loadTensors(opened.value, program.stored, (tensor, bytes) => {
      seen.set(tensor.key, [...new Float32Array(Uint8Array.from(bytes).buffer)]);
    });
    expect(loaded).toEqual({ ok: true, value: 4 });
    for (const tensor of program.stored) expect(seen.get(tensor.key)).toEqual([...valuesOf(tensor, 3)]);
    await opened.value.close();
    await cp(folder, join(run, "copy"), { recursive: true });
    await save(3);
    for (const name of ["model.safetensors", "optimizer.safetensors", "manifest.json"])
      expect((await readFile(join(folder, name))).equals(await readFile(join(run, "copy", name)))).toBe(true);
  });

  it("keeps the last ones", async () => {
    for (const update of [1, 2, 3, 4]) await save(update, { keepLast: 2 });
    expect((await readdir(root)).sort()).toEqual(["000003", "000004", "latest"]);
  });

  it("names what is truncated, at each kind of place in each file, and which earlier one is whole", async () => {
    const earlier = await save(1);
    const folder = await save(2);
    const whole = join(run, "whole");
    await cp(folder, whole, { recursive: true });
    for (const name of ["model.safetensors", "optimizer.safetensors", "manifest.json"]) {
      const size = (await readFile(join(whole, name))).length;
      // Nothing, inside the header's length, inside the header, its end, inside the tensors, one byte short.
      for (const length of [0, 5, 40, size - 20, size - 2, size - (name === "manifest.json" ? 3 : 1)]) {
        await cp(join(whole, name), join(folder, name));
        await truncate(join(folder, name), length);
        const error = await errorOf(folder);
        expect(error?.kind).toBe("truncated");
        expect(error?.message).toContain(name);
        expect(error?.help).toContain(earlier);
      }
      await cp(join(whole, name), join(folder, name));
    }
    expect(await errorOf(folder)).toBeNull();
  });

  it("names a changed byte and a missing file", async () => {
    const folder = await save(1);
    const path = join(folder, "model.safetensors");
    const bytes = await readFile(path);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(path, bytes);
    expect(await errorOf(folder)).toMatchObject({ kind: "damaged", message: expect.stringContaining("SHA-256") });
    await rm(path);
    expect(await errorOf(folder)).toMatchObject({ kind: "missing" });
  });

  it("says what differs in a checkpoint of another program", async () => {
    const opened = await openCheckpoint(await save(1));
    if (!opened.ok) throw new Error(opened.error.message);
    expect(programDifference(opened.value, program)).toBeNull();
    const other = { ...program, sourceHash: "b".repeat(64) };
    const text = (p: typeof program) => programDifference(opened.value, p)?.message;
    expect(text(other)).toMatch(/the text of the program or of an imported file has changed/);
    expect(text({ ...other, settings: { ...other.settings, microSteps: 99 } })).toMatch(/micro_steps was 24 and is 99/);
    expect(text({ ...other, name: "round2" })).toMatch(/it trains regression, this program trains round2/);
    const wider = other.stored.map((tensor) => (tensor.key === "model.weight" ? { ...tensor, shape: [9] } : tensor));
    expect(text({ ...other, stored: [...wider, { ...wider[0]!, key: "model.extra" }] })).toMatch(
      /it lacks model.extra; model.weight was \[4\] and is \[9\]/,
    );
    await opened.value.close();
  });

  it("refuses a missing tensor and a wrong shape before it writes anything", async () => {
    const opened = await openCheckpoint(await save(1));
    if (!opened.ok) throw new Error(opened.error.message);
    const load = (stored: readonly StoredTensor[]) =>
      loadTensors(opened.value, stored, () => {
        throw new Error("written");
      });
    const last = program.stored.at(-1)!;
    const missing = await load([...program.stored, { ...last, key: "optimizer.v/model.bias" }]);
    expect(missing).toMatchObject({
      ok: false,
      error: { kind: "missing tensor", message: expect.stringContaining("optimizer.v/model.bias [1]") },
    });
    const wrong = await load([...program.stored.slice(0, 3), { ...last, shape: [2] }]);
    expect(wrong).toMatchObject({ ok: false, error: { kind: "wrong shape", message: expect.stringContaining("needs F32 [2]") } });
    await opened.value.close();
  });

  it("says when there is no checkpoint yet", async () => {
    expect(await findCheckpoint(join(run, "nowhere"))).toMatchObject({ ok: false, error: { kind: "missing" } });
    expect(await findCheckpoint(run)).toMatchObject({ ok: false, error: { message: expect.stringContaining("no finished checkpoint") } });
  });
});

/** The file operations, of which the `failing`-th (from 0) fails with `code`. */
function failingFiles(failing: number, code: string): { readonly files: Files; calls(): number } {
  let calls = 0;
  const refuse = () => {
    if (calls++ === failing) throw Object.assign(new Error(`${code}: refused`), { code });
  };
  const wrapped = Object.fromEntries(
    (["mkdir", "rename"] as const).map((name) => [
      name,
      async (...args: unknown[]) => {
        refuse();
        return (realFiles[name] as (...a: unknown[]) => unknown)(...args);
      },
    ]),
  );
  const open = async (...args: Parameters<Files["open"]>) => {
    refuse();
    const handle = await realFiles.open(...args);
    return new Proxy(handle, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== "function") return value;
        return (...rest: unknown[]) => {
          if (key === "write" || key === "sync") refuse();
          return (value as (...a: unknown[]) => unknown).apply(target, rest);
        };
      },
    });
  };
  return { files: { ...realFiles, ...wrapped, open: open as Files["open"] }, calls: () => calls };
}

describe("a full disk", () => {
  it("leaves earlier checkpoints as they were, wherever it strikes", async () => {
    const earlier = await save(1);
    const count = failingFiles(-1, "");
    await saveCheckpoint(request(2, { files: count.files }));
    await rm(join(root, "000002"), { recursive: true });
    await save(1);
    expect(count.calls()).toBeGreaterThan(15);
    for (let failing = 0; failing < count.calls(); failing++) {
      const result = await saveCheckpoint(request(2, { files: failingFiles(failing, "ENOSPC").files }));
      expect(result).toMatchObject({
        ok: false,
        error: { kind: "disk full", message: expect.stringContaining("earlier checkpoints are untouched") },
      });
      expect(await errorOf(earlier)).toBeNull();
      // Either the new one is not there at all, or it is whole.
      const entries = await readdir(root);
      expect(entries.filter((entry) => entry.startsWith("."))).toEqual([]);
      if (entries.includes("000002")) expect(await errorOf(join(root, "000002"))).toBeNull();
      expect((await findCheckpoint(run)).ok).toBe(true);
      await rm(join(root, "000002"), { recursive: true, force: true });
    }
  });

  it("is told from missing permission", async () => {
    const result = await saveCheckpoint(request(1, { files: failingFiles(0, "EACCES").files }));
    expect(result).toMatchObject({ ok: false, error: { kind: "unwritable" } });
  });

  it("clears what a killed save left behind, and puts back what it was about to replace", async () => {
    const folder = await save(1);
    await cp(folder, join(root, ".partial-000002"), { recursive: true });
    await cp(folder, join(root, ".replaced-000001"), { recursive: true });
    await rm(folder, { recursive: true });
    await save(2);
    expect((await readdir(root)).sort()).toEqual(["000001", "000002", "latest"]);
    expect(await errorOf(folder)).toBeNull();
  });
});
