import { join } from "node:path";
import type { TrainPlan } from "../../compiler/plan/plan.ts";
import { type Checked, type Files, good, jsonBytes, realFiles, replaceFile, writeError } from "../checkpoint/files.ts";
import { bytesText } from "../execute/failure.ts";
import type { MetricsRow } from "../log/jsonl.ts";
import { clockText, shortNumber } from "../log/progress.ts";
import type { Evaluation } from "../train/evaluate.ts";
import type { Verification } from "../train/verification.ts";
import { bandChart, lineChart, type Point, smoothed } from "./charts.ts";
import { escaped, facts, figure, page, tile } from "./page.ts";
import { pairGrid } from "./pairs.ts";

// The report of a run. In: its settings, the rows of its log, its evaluations. Out: report.html, one file for people to look at, and
// report.json for scripts: {"metrics": {…}}.

export interface EvaluationOfRun {
  readonly name: string;
  readonly evaluation: Evaluation;
  /** The file that a row of the evaluation shows. */
  readonly fileOf: (row: number) => string;
}
export interface RunOfReport {
  readonly name: string;
  readonly file: string;
  readonly program: Pick<TrainPlan, "settings" | "sourceHash" | "models" | "stored"> | null;
  readonly adapter: { readonly name: string; readonly driver: string };
  readonly rows: readonly MetricsRow[];
  readonly evaluations: readonly EvaluationOfRun[];
}

/** All numbers of the run's evaluations, and its last loss. */
function reportMetrics(run: RunOfReport): Record<string, number> {
  const last = run.rows.at(-1);
  return {
    ...(last?.values.loss === undefined || last.values.loss === null ? {} : { loss: last.values.loss }),
    ...(last === undefined ? {} : { steps: last.step, updates: last.update }),
    ...Object.assign({}, ...run.evaluations.map(({ evaluation }) => evaluation.metrics)),
  };
}

/** Writes report.html and report.json into a run folder; gives the path of the page. */
export async function writeReport(folder: string, run: RunOfReport, files: Files = realFiles): Promise<Checked<string>> {
  const html = await reportPage(run);
  const path = join(folder, "report.html");
  try {
    await replaceFile(files, path, [new TextEncoder().encode(html)]);
    await replaceFile(files, join(folder, "report.json"), [jsonBytes({ metrics: reportMetrics(run) })]);
  } catch (error) {
    return writeError("the report", folder, error);
  }
  return good(path);
}

/** The page of a run. */
export async function reportPage(run: RunOfReport): Promise<string> {
  const verifications = run.evaluations.flatMap(({ name, evaluation, fileOf }) =>
    evaluation.measures.flatMap((row) =>
      row.measured.verification === null ? [] : [{ name, fileOf, verification: row.measured.verification }],
    ),
  );
  const sections = [
    heading(run, verifications[0]?.verification ?? null),
    await trainingSection(run.rows),
    ...(await Promise.all(verifications.map(verificationSection))),
    factsSection(run),
  ];
  return page(`${run.name} — report`, sections.join("\n"));
}

const percent = (share: number): string => `${(100 * share).toFixed(share > 0.995 || share < 0.005 ? 2 : 1)} %`;

function heading(run: RunOfReport, verification: Verification | null): string {
  const last = run.rows.at(-1);
  const tiles = [
    ...(verification === null
      ? []
      : [
          tile(verification.auc.toFixed(4), "area under the ROC curve"),
          tile(percent(verification.equalErrorRate), "equal error rate"),
          tile(percent(verification.trueAcceptsAtOnePercent), "accepted at 1 % false accepts"),
          tile(percent(verification.bestAccuracy), "best accuracy, balanced"),
        ]),
    ...(last === undefined
      ? []
      : [
          ...(typeof last.values.loss === "number" ? [tile(shortNumber(last.values.loss), "last loss")] : []),
          tile(String(last.step), `micro-steps, ${last.update} updates`),
          tile(clockText(last.time.seconds), `training, ${shortNumber(last.time.stepsPerSecond)} steps/s`),
        ]),
  ];
  return `<header><h1>${escaped(run.name)}</h1><p>${escaped(run.file)} on ${escaped(run.adapter.name)}</p></header><div class="tiles">${tiles.join("")}</div>`;
}

async function trainingSection(rows: readonly MetricsRow[]): Promise<string> {
  if (rows.length < 2) return "";
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.values)))];
  const pointsOf = (name: string): Point[] =>
    rows.flatMap((row) => (typeof row.values[name] === "number" ? [{ x: row.step, y: row.values[name] }] : []));
  const main: string[] = [];
  const small: string[] = [];
  for (const name of names) {
    const points = pointsOf(name);
    if (points.length < 2 || name === "log.loss") continue;
    if (name === "loss") {
      const over = Math.max(5, Math.round(points.length / 20));
      const many = points.length >= 20;
      const svg = await lineChart({
        x: "micro-step",
        y: "loss",
        series: many
          ? [
              { name: "loss", ink: "faint", points, thin: true },
              { name: "mean", ink: "first", points: smoothed(points, over) },
            ]
          : [{ name: "loss", ink: "first", points }],
      });
      main.unshift(
        figure(
          "Loss",
          "",
          svg,
          many
            ? [
                { ink: "faint", text: "each row of the log" },
                { ink: "first", text: `mean over about ${over} rows` },
              ]
            : [],
        ),
      );
    } else if (name === "lr")
      main.push(figure("Learning rate", "", await lineChart({ x: "micro-step", y: "lr", series: [{ name, ink: "first", points }] })));
    else small.push(figure(name, "", await lineChart({ x: "micro-step", y: name, small: true, series: [{ name, ink: "first", points }] })));
  }
  const more = small.length === 0 ? "" : `<div class="charts small">${small.join("")}</div>`;
  return `<h2>Training</h2><div class="charts">${main.join("")}</div>${more}`;
}

async function verificationSection(given: {
  readonly name: string;
  readonly fileOf: (row: number) => string;
  readonly verification: Verification;
}): Promise<string> {
  const v = given.verification;
  const roc = await lineChart({
    x: "false accepts",
    y: "true accepts",
    xDomain: [0, 1],
    yDomain: [0, 1],
    series: [
      {
        name: "chance",
        ink: "faint",
        dashed: true,
        thin: true,
        points: [
          { x: 0, y: 0 },
          { x: 1, y: 1 },
        ],
      },
      { name: "ROC", ink: "first", points: v.roc.map((point) => ({ x: point.falseAccepts, y: point.trueAccepts })) },
    ],
    marked: [{ x: v.equalErrorRate, y: 1 - v.equalErrorRate }],
  });
  const histogram = await bandChart({
    x: "cosine of the two embeddings",
    y: "% of the pairs",
    edges: v.histogram.edges,
    series: [
      { name: "different", ink: "second", shares: v.histogram.different },
      { name: "same", ink: "first", shares: v.histogram.same },
    ],
    rule: { at: v.bestThreshold, text: `threshold ${v.bestThreshold.toFixed(2)}` },
  });
  const pairs = await pairGrid(v, given.fileOf);
  const counts = `${v.samePairs.toLocaleString("en")} pairs of one person and ${v.differentPairs.toLocaleString("en")} of two${v.sampled ? ", a sample" : ""}`;
  return `<h2>Verification: ${escaped(given.name)}</h2>
<p>Do two pictures show one person? ${counts}, told apart by the cosine of their embeddings alone.</p>
<div class="charts">
${figure("ROC curve", `Area ${v.auc.toFixed(4)}. The dot is the equal error rate, ${percent(v.equalErrorRate)}.`, roc)}
${figure("Cosines", "", histogram, [
  { ink: "first", text: "one person" },
  { ink: "second", text: "two people" },
])}
</div>
<h2>Pairs</h2>
<p>The number is the cosine; pairs from ${v.bestThreshold.toFixed(3)} on are taken for one person.</p>
${pairs}`;
}

function factsSection(run: RunOfReport): string {
  const rows: [string, string][] = [
    ["program", run.file],
    ["adapter", `${run.adapter.name} (driver: ${run.adapter.driver})`],
  ];
  if (run.program !== null) {
    const { settings, models, stored, sourceHash } = run.program;
    const params = stored.filter((tensor) => tensor.role === "param");
    const count = params.reduce((sum, tensor) => sum + tensor.shape.reduce((a, b) => a * b, 1), 0);
    rows.push(
      ["models", models.map((model) => `${model.name} = ${model.module}, ${model.mode}`).join("; ")],
      ["parameters", `${count.toLocaleString("en")} in ${params.length} tensors, ${bytesText(4 * count)}`],
      ["batch", `${settings.batch}${settings.accumulate > 1 ? `, ${settings.accumulate} accumulated` : ""}`],
      ["micro-steps", String(settings.microSteps)],
      ["seed", String(settings.seed)],
      ["source", sourceHash],
    );
  }
  return `<h2>Run</h2>${facts(rows)}`;
}
