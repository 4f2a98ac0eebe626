import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readConfig } from "../../cli/config.ts";

// Messages about files of settings, at their places in the YAML: `config/x.yaml` and `config/x.out`, for `config/program.ada`.
// After changing a message on purpose: `ADA_UPDATE_SNAPSHOTS=1 npx vitest run test/diagnostics`, and read the difference.

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "config");
const isUpdate = process.env.ADA_UPDATE_SNAPSHOTS !== undefined;
const cases = readdirSync(folder).filter((file) => file.endsWith(".yaml"));

test.each(cases)("%s", (file) => {
  const read = readConfig(path.join(folder, file), path.join(folder, "program.ada"), false);
  if (read.ok) throw new Error("nothing is wrong");
  expect(read.status).toBe(1);
  const shown = read.text.replaceAll(`${folder}${path.sep}`, "");
  const expected = path.join(folder, file.replace(/\.yaml$/, ".out"));
  if (isUpdate || !existsSync(expected)) writeFileSync(expected, shown);
  expect(shown).toBe(readFileSync(expected, "utf8"));
});
