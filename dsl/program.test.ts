import { describe, expect, test } from "vitest";
import { loadProgram } from "./program.ts";
import { isInside, packageRoot, projectRootOf, type SourceHost } from "./source.ts";

function hostOf(files: Readonly<Record<string, string>>, reads: string[] = []): SourceHost {
  return {
    projectRoot: "/project",
    stdRoot: "/library",
    exists: (absolute) => absolute in files,
    readFile: (absolute) => {
      reads.push(absolute);
      const text = files[absolute];
      return text === undefined || text === "unreadable" ? { reason: "permission denied" } : { text };
    },
  };
}
const load = (files: Readonly<Record<string, string>>, entry = "main.ada", reads: string[] = []) =>
  loadProgram(entry, hostOf({ "/library/prelude.ada": "", ...files }, reads));

describe("loading a program", () => {
  test("files are named as they were reached, read once, and stand behind what they import", () => {
    const reads: string[] = [];
    const program = load(
      {
        "/project/app/main.ada": 'import { a } from "./a.ada"\nimport { b } from "../common/b.ada"\nimport { n } from "std/nn.ada"',
        "/project/app/a.ada": 'import { b } from "../common/b.ada"\nconst a = 1',
        "/project/common/b.ada": "const b = 1",
        "/library/nn.ada": 'import { m } from "./deep/m.ada"\nconst n = 1',
        "/library/deep/m.ada": "const m = 1",
      },
      "app/main.ada",
      reads,
    );
    expect(program.diagnostics).toEqual([]);
    expect([...program.files.keys()]).toEqual([
      "std/prelude.ada",
      "common/b.ada",
      "app/a.ada",
      "std/deep/m.ada",
      "std/nn.ada",
      "app/main.ada",
    ]);
    expect(new Set(reads).size).toBe(reads.length);
    expect([program.entry, program.prelude]).toEqual(["app/main.ada", "std/prelude.ada"]);
  });
  test("a cycle is reported once, with the whole chain, and cut", () => {
    const program = load({
      "/project/main.ada": 'import { a } from "./a.ada"',
      "/project/a.ada": 'import { b } from "./b.ada"',
      "/project/b.ada": 'import { x } from "./a.ada"',
    });
    expect(program.diagnostics.map((one) => one.message)).toEqual(["these files import each other: a.ada -> b.ada -> a.ada"]);
    expect(program.diagnostics[0]!.span.file).toBe("b.ada");
    expect(program.files.size).toBe(4);
  });
  test("a file that imports itself", () => {
    expect(load({ "/project/main.ada": 'import { a } from "./main.ada"' }).diagnostics.map((one) => one.message)).toEqual([
      "these files import each other: main.ada -> main.ada",
    ]);
  });
  test.each([
    ["../outside.ada", "import/outside-root"],
    ["./../../etc/x.ada", "import/outside-root"],
    ["std/../../x.ada", "import/outside-root"],
    ["/etc/x.ada", "import/bad-path"],
    ["other.ada", "import/bad-path"],
    ["./other.txt", "import/bad-path"],
    ["./a\\b.ada", "import/bad-path"],
    ["./gone.ada", "import/not-found"],
    ["std/gone.ada", "import/not-found"],
    ["./locked.ada", "import/unreadable"],
  ])("import from %s", (path, code) => {
    const text = `import { a } from "${path.replace("\\", "\\\\")}"`;
    const { diagnostics } = load({ "/project/main.ada": text, "/project/locked.ada": "unreadable", "/outside.ada": "", "/etc/x.ada": "" });
    expect(diagnostics.map((one) => one.code)).toEqual([code]);
    expect(text.slice(diagnostics[0]!.span.start, diagnostics[0]!.span.end)).toBe(text.slice(text.indexOf('"')));
  });
  test("the library may not reach into the project", () => {
    const { diagnostics } = load({
      "/project/main.ada": 'import { a } from "std/nn.ada"',
      "/library/nn.ada": 'import { b } from "../project/b.ada"',
      "/project/b.ada": "",
    });
    expect(diagnostics.map((one) => one.code)).toEqual(["import/outside-root"]);
  });
  test("a project's own folder called std is not the library", () => {
    const program = load({ "/project/main.ada": 'import { a } from "./std/a.ada"', "/project/std/a.ada": "const a = 1" });
    expect([...program.files.keys()]).toEqual(["std/prelude.ada", "./std/a.ada", "main.ada"]);
  });
  test("a missing library is said once; a missing entry is a diagnostic", () => {
    expect(loadProgram("main.ada", hostOf({ "/project/main.ada": "" })).diagnostics.map((one) => one.code)).toEqual(["import/not-found"]);
    expect(load({}).diagnostics.map((one) => one.code)).toEqual(["import/unreadable"]);
  });
});

test("folders", () => {
  expect(isInside("/a/b/c", "/a/b")).toBe(true);
  expect(isInside("/a/b", "/a/b")).toBe(false);
  expect(isInside("/a/bc", "/a/b")).toBe(false);
  expect(isInside("/a/..b", "/a")).toBe(true);
  expect(projectRootOf("sub/x.ada", "/elsewhere/me")).toBe("/elsewhere/me");
  expect(projectRootOf("../x.ada", "/elsewhere/me")).toBe("/elsewhere");
  expect(packageRoot().length).toBeGreaterThan(1);
});
