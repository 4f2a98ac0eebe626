import { mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type FolderSpec, openSources } from "./folder.ts";
import { compileNamePattern } from "./glob.ts";
import { makeFolder } from "./testFolder.ts";

const roots: string[] = [];
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true, force: true }))));
const folder = async (subjects: number, views: number) => {
  const root = await makeFolder(subjects, views);
  roots.push(root);
  return root;
};
const openFolder = (one: FolderSpec) => openSources([one]);
const spec = (root: string, extra: Partial<FolderSpec> = {}): FolderSpec => ({
  root,
  perSubject: true,
  files: "*.{png,jpg}",
  skip: "*_mask.png",
  first: null,
  onBroken: "skip",
  ...extra,
});

describe("name patterns", () => {
  it.each([
    ["*.{png,jpg}", "a.png", true],
    ["*.{png,jpg}", "a.JPG", true],
    ["*.{png,jpg}", "a.png.txt", false],
    ["*_mask.png", "00000_mask.png", true],
    ["a?c.png", "abc.png", true],
    ["a.c", "abc", false],
    ["(a)[b]+.png", "(a)[b]+.png", true],
  ])("%s on %s: %s", (pattern, name, expected) => {
    const compiled = compileNamePattern(pattern);
    expect(compiled.kind === "pattern" && compiled.matches(name)).toBe(expected);
  });

  it.each(["", "a/*.png", "*.{png", "*.png}", "*.{a,{b}}"])("refuses «%s»", (pattern) => {
    expect(compileNamePattern(pattern).kind).toBe("error");
  });
});

describe("openSources", () => {
  it("lists subjects and files in a fixed order, without masks", async () => {
    const root = await folder(11, 2);
    const opened = await openFolder(spec(root));
    if (opened.kind === "error") throw new Error(opened.message);
    expect(opened.subjects).toEqual([...Array.from({ length: 11 }, (_, i) => `s${i}`)].sort());
    expect(opened.items).toHaveLength(22);
    expect(opened.items[3]).toEqual({ file: join(root, "s1", "00001.png"), subject: "s1", subjectIndex: 1, source: 0, images: 2 });
    expect(opened.items.some((i) => i.file.includes("_mask"))).toBe(false);
    expect(opened.problems).toEqual([]);
  });

  it("takes the first pictures of each subject", async () => {
    const opened = await openFolder(spec(await folder(2, 3), { first: 2 }));
    expect(opened.kind === "folder" && opened.items.map((i) => i.file.slice(-9))).toEqual([
      "00000.png",
      "00001.png",
      "00000.png",
      "00001.png",
    ]);
  });

  it("reads one folder as one subject", async () => {
    const root = join(await folder(1, 3), "s0");
    const opened = await openFolder(spec(root, { perSubject: false }));
    expect(opened).toMatchObject({ kind: "folder", subjects: ["s0"] });
    expect(opened.kind === "folder" && opened.items.length).toBe(3);
  });

  it("follows links to folders, and passes over hidden ones", async () => {
    const root = await folder(2, 1);
    await rename(join(root, "s1"), join(root, ".hidden"));
    await symlink(join(root, ".hidden"), join(root, "linked"));
    expect(await openFolder(spec(root))).toMatchObject({ kind: "folder", subjects: ["linked", "s0"] });
  });

  it("names a subject without pictures, and skips it or stops", async () => {
    const root = await folder(2, 1);
    await mkdir(join(root, "nobody"));
    const skipped = await openFolder(spec(root));
    expect(skipped).toMatchObject({ kind: "folder", subjects: ["s0", "s1"] });
    expect(skipped.kind === "folder" && skipped.problems).toEqual([
      { file: join(root, "nobody"), message: "subject without pictures: no file matches *.{png,jpg}" },
    ]);
    expect(await openFolder(spec(root, { onBroken: "fatal" }))).toMatchObject({
      kind: "error",
      code: "dataset/subject-without-pictures",
      message: expect.stringContaining("nobody"),
    });
  });

  it("explains an empty folder, an unreadable root and a bad pattern", async () => {
    const root = await folder(1, 2);
    const none = await openFolder(spec(root, { files: "*.webp" }));
    expect(none).toMatchObject({ kind: "error", code: "dataset/empty", message: expect.stringContaining("*.webp") });
    expect(await openFolder(spec(join(root, "s0")))).toMatchObject({
      code: "dataset/empty",
      help: expect.stringContaining("2 pictures lie in the folder itself"),
    });
    expect(await openFolder(spec(root, { perSubject: false }))).toMatchObject({ help: expect.stringContaining("one folder per subject") });
    expect(await openFolder(spec(join(root, "gone")))).toMatchObject({
      code: "dataset/unreadable-root",
      message: expect.stringContaining("does not exist"),
      help: expect.stringContaining("adac data faces"),
    });
    await writeFile(join(root, "file"), "");
    expect(await openFolder(spec(join(root, "file")))).toMatchObject({ message: expect.stringContaining("not a folder") });
    expect(await openFolder(spec(root, { skip: "{" }))).toMatchObject({ code: "dataset/bad-pattern" });
    expect(await readdir(root)).toContain("s0");
  });
});
