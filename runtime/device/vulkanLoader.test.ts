import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemDriverFiles, withDriverFile } from "./vulkanLoader.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ada-loader-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("looks for driver files where a Vulkan loader does", () => {
  const icds = join(folder, "vulkan", "icd.d");
  mkdirSync(icds, { recursive: true });
  for (const name of ["b.json", "a.json", "readme.txt"]) writeFileSync(join(icds, name), "{}");
  const found = systemDriverFiles({ XDG_DATA_DIRS: folder });
  expect(found.filter((file) => file.startsWith(folder))).toEqual([join(icds, "a.json"), join(icds, "b.json")]);
});

test("named driver files replace the search, and missing ones do not count", () => {
  const mine = join(folder, "mine.json");
  writeFileSync(mine, "{}");
  expect(systemDriverFiles({ VK_DRIVER_FILES: `${mine}:${join(folder, "gone.json")}` })).toEqual([mine]);
  expect(systemDriverFiles({ VK_ICD_FILENAMES: mine })).toEqual([mine]);
  expect(systemDriverFiles({ VK_DRIVER_FILES: "", VK_ADD_DRIVER_FILES: mine })).toContain(mine);
});

test("the environment is as before after a driver was forced, whatever happened", async () => {
  const before = process.env.VK_DRIVER_FILES;
  const seen = await withDriverFile("/some/icd.json", async () => process.env.VK_DRIVER_FILES);
  expect(seen).toBe("/some/icd.json");
  await expect(withDriverFile("/some/icd.json", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(process.env.VK_DRIVER_FILES).toBe(before);
  expect(await withDriverFile(undefined, async () => process.env.VK_DRIVER_FILES)).toBe(before);
});
