import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { dataCommand } from "./data.ts";

let root = "";
const printed: string[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "ada-data-"));
  printed.length = 0;
  process.exitCode = 0;
  vi.spyOn(console, "log").mockImplementation((text: string) => void printed.push(text));
  vi.spyOn(console, "error").mockImplementation((text: string) => void printed.push(text));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => printed.push(String(text)) > 0);
  vi.spyOn(process, "exit").mockImplementation((code) => {
    throw new Error(`exit ${code}`);
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = 0;
  await rm(root, { recursive: true, force: true });
});

const run = (...args: string[]) => dataCommand().parseAsync(["faces", ...args], { from: "user" });

describe("adac data faces", () => {
  it("draws a folder, and finds it again", async () => {
    const out = join(root, "faces");
    await run("--out", out, "--identities", "2", "--views", "2", "--set", "web");
    expect(printed.at(-1)).toMatch(/^drew 4 pictures of 2 people in [\d.]+ s: /);
    expect(await readdir(out)).toEqual(["factors.jsonl", "manifest.json", "web00000", "web00001"]);
    await run("--out", out, "--identities", "2", "--views", "2", "--set", "web");
    expect(printed.at(-1)).toMatch(/^already there: 4 pictures/);
    expect(process.exitCode).toBe(0);
    await run("--out", out, "--identities", "3", "--views", "2", "--set", "web");
    expect(printed.at(-1)).toMatch(/identities 2, not 3\nhelp: /);
    expect(process.exitCode).toBe(1);
  });

  it.each([
    [["--out", "x"], "--identities"],
    [["--out", "x", "--identities", "two", "--views", "2"], "whole number"],
    [["--out", "x", "--identities", "2", "--views", "2", "--size", "33"], "32, 64, 512"],
    [["--out", "x", "--identities", "2", "--views", "2", "--colour", "red"], "unknown option"],
  ])("ends with status 2 on %j", async (args, message) => {
    await expect(run(...args)).rejects.toThrow("exit 2");
    expect(printed.join("")).toContain(message);
  });
});
