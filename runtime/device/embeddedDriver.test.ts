import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { driverCacheFolder, type EmbeddedDriver, embeddedDriverFits, unpackEmbeddedDriver } from "./embeddedDriver.ts";

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "ada-driver-test-"));
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

async function unpacked(): Promise<EmbeddedDriver> {
  const result = await unpackEmbeddedDriver(cache);
  if (!result.ok) throw new Error(`${result.reason}; ${result.help}`);
  return result.driver;
}

const library = (driver: EmbeddedDriver): string => join(driver.folder, "libvk_swiftshader.so");

describe.runIf(embeddedDriverFits())("unpacking the embedded driver", () => {
  test("gives a loader and an ICD file that names the driver by its absolute path", async () => {
    const driver = await unpacked();
    const icd = JSON.parse(readFileSync(driver.icd, "utf8")) as { ICD: { library_path: string } };
    expect(icd.ICD.library_path).toBe(library(driver));
    expect(readFileSync(driver.loader).subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    expect(readFileSync(library(driver)).subarray(0, 4).toString("latin1")).toBe("\x7fELF");
  });

  test("leaves a whole folder alone", async () => {
    const driver = await unpacked();
    const before = statSync(library(driver)).ino;
    await unpacked();
    expect(statSync(library(driver)).ino).toBe(before);
  });

  test("many at once end with one whole folder and nothing left aside", async () => {
    const all = await Promise.all(Array.from({ length: 4 }, unpacked));
    expect(new Set(all.map((driver) => driver.folder)).size).toBe(1);
    expect(readdirSync(all[0]!.folder).sort()).toEqual([
      "libvk_swiftshader.so",
      "libvulkan.so.1",
      "manifest.json",
      "vk_swiftshader_icd.json",
    ]);
  });

  test("repairs every kind of damage", async () => {
    const driver = await unpacked();
    const good = readFileSync(library(driver));
    const damages: readonly (readonly [name: string, damage: () => void])[] = [
      ["a short library", () => truncateSync(library(driver), 1000)],
      // A crash may leave a file of the right length full of zeros.
      ["a zeroed library", () => writeFileSync(library(driver), Buffer.alloc(good.length))],
      ["a missing loader", () => rmSync(driver.loader)],
      ["a foreign ICD file", () => writeFileSync(driver.icd, '{"ICD":{"library_path":"/elsewhere.so"}}')],
      ["a manifest that is no JSON", () => writeFileSync(join(driver.folder, "manifest.json"), "[{")],
    ];
    for (const [name, damage] of damages) {
      damage();
      await unpacked();
      expect(readFileSync(library(driver)).equals(good), name).toBe(true);
      expect(existsSync(driver.loader), name).toBe(true);
      expect(readFileSync(driver.icd, "utf8"), name).toContain(library(driver));
    }
  });

  test("says why when the folder cannot be written", async () => {
    const file = join(cache, "file");
    writeFileSync(file, "");
    const result = await unpackEmbeddedDriver(file);
    expect(result).toMatchObject({
      ok: false,
      reason: expect.stringContaining("could not be unpacked"),
      help: expect.stringContaining("XDG_CACHE_HOME"),
    });
  });
});

test("fits Linux on x64 only", () => {
  expect(embeddedDriverFits("linux", "x64")).toBe(true);
  expect(embeddedDriverFits("linux", "arm64")).toBe(false);
  expect(embeddedDriverFits("darwin", "x64")).toBe(false);
});

describe("the cache folder", () => {
  test("follows XDG_CACHE_HOME when it is absolute", () => {
    expect(driverCacheFolder({ XDG_CACHE_HOME: cache })).toBe(join(cache, "ada", "drivers"));
    expect(driverCacheFolder({ XDG_CACHE_HOME: "relative" })).not.toContain("relative");
  });

  test("falls back to a folder that only we may write to", () => {
    const file = join(cache, "not-a-folder");
    writeFileSync(file, "");
    const folder = driverCacheFolder({ XDG_CACHE_HOME: file });
    expect(folder.startsWith(tmpdir())).toBe(true);
    expect(statSync(folder).mode & 0o022).toBe(0);
  });

  test("does not trust a fallback folder that others may write to", () => {
    const file = join(cache, "not-a-folder");
    writeFileSync(file, "");
    const previous = process.env.TMPDIR;
    process.env.TMPDIR = cache;
    try {
      const open = join(cache, `ada-${process.getuid?.() ?? 0}`);
      mkdirSync(open);
      chmodSync(open, 0o777);
      const folder = driverCacheFolder({ XDG_CACHE_HOME: file });
      expect(folder).not.toBe(open);
      expect(statSync(folder).mode & 0o077).toBe(0);
    } finally {
      if (previous === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = previous;
    }
  });
});
