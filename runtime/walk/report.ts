import { mkdir } from "node:fs/promises";
import path from "node:path";
import { statistics } from "../../compiler/plan/statistics.ts";
import { type Checked, good, jsonBytes, realFiles, replaceFile, writeError } from "../checkpoint/files.ts";
import { escaped, page } from "../report/page.ts";

// The report of a walk. In: what was measured, with what stands for each key. Out: one row for each group in the order of first sight, each
// with the statistics that were asked for, as csv, json or html.

export interface Measured {
  readonly name: string;
  readonly value: number;
  /** What stands for each key of this report. */
  readonly keys: readonly string[];
}
export interface ReportShape {
  readonly statistics: readonly string[];
  readonly by: readonly string[];
  readonly files: readonly string[];
}
export interface ReportRow {
  readonly keys: readonly string[];
  readonly values: readonly number[];
}

/** The rows of a report: numbers that have the same keys are one group. */
export function reportRows(shape: ReportShape, measured: readonly Measured[]): ReportRow[] {
  const groups = new Map<string, { readonly keys: readonly string[]; readonly values: number[] }>();
  for (const { keys, value } of measured) {
    const key = JSON.stringify(keys);
    const group = groups.get(key) ?? { keys, values: [] };
    groups.set(key, group);
    group.values.push(value);
  }
  return [...groups.values()].map(({ keys, values }) => ({ keys, values: shape.statistics.map((name) => statistics[name]!(values)) }));
}

const csvField = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const numberText = (x: number): string => (Number.isFinite(x) ? String(x) : "");

function csv(shape: ReportShape, rows: readonly ReportRow[]): string {
  const lines = [[...shape.by, ...shape.statistics], ...rows.map((row) => [...row.keys, ...row.values.map(numberText)])];
  return `${lines.map((line) => line.map(csvField).join(",")).join("\n")}\n`;
}

function html(title: string, shape: ReportShape, rows: readonly ReportRow[]): string {
  const head = [...shape.by, ...shape.statistics].map((name) => `<th>${escaped(name)}</th>`).join("");
  const body = rows.map(
    (row) =>
      `<tr>${row.keys.map((key) => `<td>${escaped(key)}</td>`).join("")}${row.values.map((x) => `<td class="number">${Number.isFinite(x) ? Number(x.toPrecision(5)) : ""}</td>`).join("")}</tr>`,
  );
  return page(
    title,
    `<header><h1>${escaped(title)}</h1></header>\n<table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body.join("\n")}\n</tbody>\n</table>`,
  );
}

/** The rows as data: keys and statistics by their names; null where there is no number. */
const json = (shape: ReportShape, rows: readonly ReportRow[]) => ({
  rows: rows.map((row) => ({
    ...Object.fromEntries(shape.by.map((name, i) => [name, row.keys[i]!])),
    ...Object.fromEntries(shape.statistics.map((name, i) => [name, Number.isFinite(row.values[i]!) ? row.values[i]! : null])),
  })),
});

/** Writes a report to its files below a folder, each whole or not at all; gives their paths. */
export async function writeReportFiles(
  folder: string,
  title: string,
  shape: ReportShape,
  measured: readonly Measured[],
): Promise<Checked<readonly string[]>> {
  const rows = reportRows(shape, measured);
  const written: string[] = [];
  for (const name of shape.files) {
    const file = path.join(folder, name);
    const text = name.endsWith(".csv") ? csv(shape, rows) : name.endsWith(".html") ? html(title, shape, rows) : null;
    try {
      await mkdir(path.dirname(file), { recursive: true });
      await replaceFile(realFiles, file, [text === null ? jsonBytes(json(shape, rows)) : new TextEncoder().encode(text)]);
    } catch (error) {
      return writeError(`the report of ${title}`, file, error);
    }
    written.push(file);
  }
  return good(written);
}
