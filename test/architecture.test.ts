import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { ts } from "ts-morph";
import { describe, expect, test } from "vitest";
import { packageRoot } from "../dsl/source.ts";

// How the repository hangs together, read from its files: who may import whom, what no file may say, and what is known of every library.

const root = packageRoot();
const tracked = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" })
  .split("\0")
  .filter((file) => file !== "" && existsSync(path.join(root, file)))
  .sort();
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");

/** What a folder may import besides itself. `compiler/plan/` is the one part of the compiler that a runtime knows. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  dsl: [],
  compiler: ["dsl"],
  runtime: ["compiler/plan"],
  cli: ["runtime", "compiler", "dsl"],
};
const isExempt = (file: string): boolean => /(^|[./])(test|testing)\.ts$/.test(file);

/** Every module that a file names in an import, an export or a dynamic import, with its line. */
function importsOf(text: string): { readonly module: string; readonly line: number }[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName, pos }) => ({
    module: fileName,
    line: text.slice(0, pos).split("\n").length,
  }));
}

/** What is wrong with the imports of one file. */
function violations(file: string, text: string): string[] {
  const layer = file.split("/")[0]!;
  const targets = allowed[layer];
  return importsOf(text).flatMap(({ module, line }) => {
    const at = `${file}:${line}`;
    if (!module.startsWith(".")) return [];
    if (!/\.(ts|json)$/.test(module)) return [`${at}: "${module}" has no extension`];
    const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), module));
    if (target.startsWith("..")) return [`${at}: "${module}" lies outside of the repository`];
    if (targets === undefined || isExempt(file) || target.startsWith(`${layer}/`)) return [];
    return targets.some((one) => target.startsWith(`${one}/`)) ? [] : [`${at}: ${layer} may not import ${target}`];
  });
}

describe("imports point one way: cli -> runtime -> compiler -> dsl", () => {
  const sources = tracked.filter((file) => file.endsWith(".ts"));
  test("in every file", () => {
    expect(sources.length).toBeGreaterThan(200);
    expect(sources.flatMap((file) => violations(file, read(file)))).toEqual([]);
  });
  test("and a violation is found", () => {
    expect(violations("dsl/a.ts", 'import { x } from "../compiler/b.ts";')).toEqual(["dsl/a.ts:1: dsl may not import compiler/b.ts"]);
    expect(violations("compiler/a.ts", 'export type { X } from "../runtime/b.ts";')).toHaveLength(1);
    expect(violations("runtime/x/a.ts", 'const x = await import("../../compiler/compile.ts");')).toHaveLength(1);
    expect(violations("runtime/x/a.ts", 'import type { Plan } from "../../compiler/plan/plan.ts";')).toEqual([]);
    expect(violations("runtime/a.ts", 'import { x } from "../dsl/source.ts";')).toHaveLength(1);
    expect(violations("runtime/a.test.ts", 'import { x } from "../cli/b.ts";')).toEqual([]);
    expect(violations("cli/a.ts", 'import { x } from "../compiler/b";')).toEqual(['cli/a.ts:1: "../compiler/b" has no extension']);
    expect(violations("cli/a.ts", 'import { x } from "../test/b.ts";')).toHaveLength(1);
  });
});

describe("every tracked file", () => {
  // Put together from pieces, so that this file does not say them either.
  const hosts = [
    ["registry", "npmjs", "org"],
    ["registry", "yarnpkg", "com"],
    ["pypi", "org"],
  ].map((parts) => parts.join("."));
  const homes = ["home", "Users", "root", "work"].map((folder) => new RegExp(`(?<![\\w.:/~-])/${folder}/[\\w.-]+`));
  const texts = tracked.filter((file) => !/\.(png|jpg|safetensors|bin|npy)$/.test(file));
  test("names no package registry", () => {
    expect(texts.filter((file) => hosts.some((host) => read(file).includes(host)))).toEqual([]);
  });
  test("names no absolute path of one machine", () => {
    expect(texts.filter((file) => homes.some((home) => home.test(read(file))))).toEqual([]);
    expect(homes.some((home) => home.test(`see ${["", "home", "ann", "ada"].join("/")}`))).toBe(true);
  });
});

describe("libraries", () => {
  const manifest = JSON.parse(read("package.json")) as Record<"dependencies" | "devDependencies", Readonly<Record<string, string>>>;
  const libraries = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  test("are pinned to one version", () => {
    expect(libraries.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
  test("are explained with their version in spec/dependencies.md, and nothing else is", () => {
    const explained = [...read("spec/dependencies.md").matchAll(/^\| `([^`]+)` \| ([\d.]+) \| .{20,} \|$/gm)].map(
      ([, name, version]) => `${name} ${version}`,
    );
    expect(explained.sort()).toEqual(libraries.map(([name, version]) => `${name} ${version}`).sort());
  });
  test("that are imported are dependencies, and the product needs no development library", () => {
    const used = new Map<string, string>();
    for (const file of tracked.filter((one) => /^(dsl|compiler|runtime|cli)\/.*\.ts$/.test(one) && !isExempt(one))) {
      for (const { module } of importsOf(read(file))) {
        if (module.startsWith(".") || module.startsWith("node:")) continue;
        used.set(
          module
            .split("/")
            .slice(0, module.startsWith("@") ? 2 : 1)
            .join("/"),
          file,
        );
      }
    }
    expect([...used].filter(([name]) => !(name in manifest.dependencies))).toEqual([]);
  });
});
