import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Draws } from "../../compiler/plan/philox.ts";
import { readRows } from "../../runtime/log/jsonl.ts";
import { readRecords } from "../../runtime/log/tensorboard.ts";

// A run that is killed again and again, at moments that fall into steps, saves and renames alike, ends with the bytes of one that was not.

/** Inside node_modules, so that the bundle finds the packages that it leaves out. */
const bundle = resolve("node_modules", ".cache", "ada-kill-test");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-kill-"));
  await build({
    configFile: false,
    logLevel: "silent",
    build: {
      ssr: resolve("test/resume/regressionRun.ts"),
      outDir: bundle,
      emptyOutDir: true,
      target: "node20",
      rollupOptions: { output: { entryFileNames: "run.mjs" } },
    },
  });
});
afterAll(() => Promise.all([folder, bundle].map((path) => rm(path, { recursive: true, force: true }))));

function start(run: string): { readonly child: ChildProcess; readonly ended: Promise<number | null>; text(): string } {
  const child = spawn(process.execPath, [join(bundle, "run.mjs"), run], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  child.stdout!.on("data", (part) => (text += part));
  child.stderr!.on("data", (part) => (text += part));
  return { child, ended: new Promise((done) => child.on("exit", (code) => done(code))), text: () => text };
}

describe("a killed run", () => {
  it("ends with the same checkpoint and the same log as one that was not killed", async () => {
    const whole = join(folder, "whole");
    const killed = join(folder, "killed");
    await Promise.all([whole, killed].map((path) => mkdir(path)));
    const first = start(whole);
    expect(await first.ended, first.text()).toBe(0);
    const draws = new Draws(9, "kill");
    let kills = 0;
    for (;;) {
      const run = start(killed);
      // Training starts when the process says where from; the rest of the wait is random.
      while (!run.text().includes("from ") && run.child.exitCode === null) await sleep(2);
      if (kills < 6) {
        await sleep(draws.uniform(20, 160));
        if (run.child.kill("SIGKILL")) kills++;
      }
      const code = await run.ended;
      if (code === 0) break;
      expect(code, run.text()).toBeNull();
    }
    expect(kills).toBeGreaterThan(1);
    for (const name of ["model.safetensors", "optimizer.safetensors", "manifest.json"]) {
      const path = join("checkpoints", "000300", name);
      expect((await readFile(join(killed, path))).equals(await readFile(join(whole, path))), name).toBe(true);
    }
    const rows = async (run: string) => readRows(await readFile(join(run, "metrics.jsonl"), "utf8")).map(({ time: _, ...row }) => row);
    expect(await rows(killed)).toEqual(await rows(whole));
    const events = async (run: string) =>
      readRecords(await readFile(join(run, "events.out.tfevents.ada"))).map(({ event }) => [event.step, event.values.loss]);
    expect(await events(killed)).toEqual(await events(whole));
  });
});
