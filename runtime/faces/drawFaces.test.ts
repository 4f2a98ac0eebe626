import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeView, drawFaces, type FacesOptions } from "./drawFaces.ts";
import { encodePng, renderPicture, sittingSvg } from "./render.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "ada-faces-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const small = { seed: 1, set: "mix", size: 32, identities: 3, views: 2 } as const;
const options = (name: string, extra: Partial<FacesOptions> = {}): FacesOptions => ({ out: join(root, name), ...small, ...extra });

/** Every file of a folder with the hash of its bytes. */
async function contents(folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((e) => e.isFile());
  const hashed = await Promise.all(
    files.map(async (f) => {
      const file = join(f.parentPath, f.name);
      return [
        file.slice(folder.length + 1),
        createHash("sha256")
          .update(await readFile(file))
          .digest("hex"),
      ] as const;
    }),
  );
  return Object.fromEntries(hashed.sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe("one picture", () => {
  const sitting = (identity: number, view = 0) => {
    const { identity: who, nuisance: how } = describeView({ ...small, set: "faces" }, identity, view);
    return { who, how };
  };

  it("is the same pixels each time, alone or among others", async () => {
    const alone = await renderPicture(sitting(0), 32);
    const among = await Promise.all([1, 0, 2, 3].map((i) => renderPicture(sitting(i), 32)));
    expect(among[1]!.rgb.equals(alone.rgb)).toBe(true);
    expect(among[0]!.rgb.equals(alone.rgb)).toBe(false);
  });

  it("has a mask of 0 and 255 that covers the face and not the clothes", async () => {
    const bare = sitting(0);
    const hatted = { ...bare, how: { ...bare.how, hat: "red", centreX: 0, centreY: 0, scale: 0.6, tilt: 0 } as const };
    const { mask } = await renderPicture(hatted, 64);
    expect(new Set(mask)).toEqual(new Set([0, 255]));
    const at = (x: number, y: number) => mask[Math.round((y + 1) * 31.5) * 64 + Math.round((x + 1) * 31.5)];
    expect(at(0, 0)).toBe(255);
    expect(at(0, -0.6), "hat").toBe(0);
    expect(at(0, 0.98), "shirt").toBe(0);
    expect(at(-0.98, 0), "wall").toBe(0);
  });

  it("shows the light on the head, not on the scene", async () => {
    const dim = sitting(1);
    const bright = { ...dim, how: { ...dim.how, brightness: dim.how.brightness * 0.5 } };
    const [a, b] = await Promise.all([renderPicture(dim, 32), renderPicture(bright, 32)]);
    expect(a.rgb.subarray(0, 3).equals(b.rgb.subarray(0, 3))).toBe(true);
    const centre = (16 * 32 + 16) * 3;
    expect(b.rgb[centre + 1]!).toBeLessThan(a.rgb[centre + 1]!);
  });

  it("survives its encoding, at every size and channel count", async () => {
    const { rgb, mask } = await renderPicture(sitting(2), 64);
    const back = await sharp(await encodePng(rgb, 64, 3))
      .raw()
      .toBuffer();
    expect(back.equals(rgb)).toBe(true);
    const meta = await sharp(await encodePng(mask, 64, 1)).metadata();
    expect([meta.format, meta.channels, meta.width]).toEqual(["png", 1, 64]);
  });
});

describe("drawFaces", () => {
  it("writes the layout, and the same bytes for the same seed", async () => {
    expect(await drawFaces(options("one"))).toMatchObject({ kind: "drawn", subjects: 3, pictures: 6 });
    expect(await drawFaces(options("two"))).toMatchObject({ kind: "drawn" });
    const first = await contents(join(root, "one"));
    expect(Object.keys(first).filter((f) => f.startsWith("id00001"))).toEqual(
      ["00000.png", "00000.txt", "00000_mask.png", "00001.png", "00001.txt", "00001_mask.png"].map((f) => `id00001/${f}`),
    );
    expect(await contents(join(root, "two"))).toEqual(first);
    const factors = (await readFile(join(root, "one", "factors.jsonl"), "utf8")).trim().split("\n");
    expect(factors).toHaveLength(6);
    expect(JSON.parse(factors[3]!)).toMatchObject({ file: "id00001/00001.png", subject: "id00001", name: "name1" });
    expect(JSON.parse(await readFile(join(root, "one", "manifest.json"), "utf8"))).toMatchObject({ ...small, pictures: 6, complete: true });
  });

  it("has not changed its drawing unnoticed (raise drawingVersion together with these hashes)", async () => {
    const drawn = (set: "faces" | "web", size: 32 | 512) => {
      const { identity: who, nuisance: how } = describeView({ ...small, set, size }, 0, 0);
      return { who, how };
    };
    const short = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    expect([short(sittingSvg(drawn("faces", 32), 64)), short(sittingSvg(drawn("web", 512), 1024))]).toEqual([
      "a905d376f3a319b0",
      "953462ddb7b7acc3",
    ]);
    // The text is ours; its pixels are the pinned image library's, whose other processors are not checked here.
    if (process.arch === "x64") expect(short((await renderPicture(drawn("faces", 32), 32)).rgb)).toBe("481abc5d3838fd95");
  });

  it("draws identity i the same however many are drawn, and other seeds otherwise", async () => {
    await drawFaces(options("more", { identities: 5 }));
    const [three, five] = [await contents(join(root, "one")), await contents(join(root, "more"))];
    for (const file of Object.keys(three).filter((f) => f.includes("/"))) expect(five[file]).toBe(three[file]);
    await drawFaces(options("other", { seed: 2 }));
    expect((await contents(join(root, "other")))["id00000/00000.png"]).not.toBe(three["id00000/00000.png"]);
  });

  it("finds a finished folder, and refuses other arguments and foreign folders", async () => {
    expect(await drawFaces(options("one"))).toMatchObject({ kind: "already there", pictures: 6 });
    const other = await drawFaces(options("one", { seed: 9 }));
    expect(other).toMatchObject({ kind: "error", message: expect.stringContaining("seed 1, not 9") });
    await mkdir(join(root, "foreign"));
    await writeFile(join(root, "foreign", "letter.txt"), "keep me");
    expect(await drawFaces(options("foreign"))).toMatchObject({
      kind: "error",
      message: expect.stringContaining("not made by this command"),
    });
    expect(await readFile(join(root, "foreign", "letter.txt"), "utf8")).toBe("keep me");
    await rm(join(root, "two", "id00002"), { recursive: true });
    expect(await drawFaces(options("two"))).toMatchObject({ kind: "error", message: expect.stringContaining("damaged: 1 of 3") });
  });

  it("goes on after an interruption, and ends with the same bytes", async () => {
    const stop = new AbortController();
    const first = await drawFaces(options("cut", { identities: 12, signal: stop.signal, onProgress: (done) => done >= 3 && stop.abort() }));
    expect(first).toMatchObject({ kind: "stopped" });
    expect(await readdir(root)).not.toContain("cut");
    const other = await drawFaces(options("cut", { identities: 13 }));
    expect(other).toMatchObject({ kind: "error", message: expect.stringContaining("interrupted run with identities 12, not 13") });
    const counts: number[] = [];
    expect(await drawFaces(options("cut", { identities: 12, onProgress: (done) => counts.push(done) }))).toMatchObject({ kind: "drawn" });
    expect(counts[0]).toBeGreaterThan(0);
    expect(counts.at(-1)).toBe(24);
    await drawFaces(options("uncut", { identities: 12 }));
    expect(await contents(join(root, "cut"))).toEqual(await contents(join(root, "uncut")));
  });

  it("says that the disk is full, and goes on when there is space", async () => {
    let written = 0;
    const write = async (file: string, bytes: Buffer | string) => {
      if (++written > 9) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      await writeFile(file, bytes);
    };
    const full = await drawFaces(options("full", { write }));
    expect(full).toMatchObject({
      kind: "error",
      message: expect.stringContaining("disk is full"),
      help: expect.stringContaining("free some space"),
    });
    expect(await drawFaces(options("full"))).toMatchObject({ kind: "drawn" });
    expect(await contents(join(root, "full"))).toEqual(await contents(join(root, "one")));
  });

  it.each([
    [{ identities: 0 }, "identities is 0"],
    [{ views: 1.5 }, "views is 1.5"],
    [{ seed: -1 }, "seed is -1"],
    [{ size: 48 as 32 }, "not drawn at 48"],
    [{ set: "all" as "web" }, "no set «all»"],
    [{ out: " " }, "no folder"],
  ])("refuses %o", async (extra, message) => {
    expect(await drawFaces(options("never", extra))).toMatchObject({ kind: "error", message: expect.stringContaining(message) });
    expect(await readdir(root)).not.toContain("never");
  });

  it("explains a path that runs through a file", async () => {
    await writeFile(join(root, "file"), "");
    expect(await drawFaces(options("file/faces"))).toMatchObject({
      kind: "error",
      message: expect.stringContaining("is a file, or lies below one"),
    });
  });
});
