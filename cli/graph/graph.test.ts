import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import vm from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { smallProgram } from "../../test/programs.testing.ts";
import { type GraphStage, graphCommand, graphStages, pictureOf } from "../graph.ts";
import { keptStreams } from "../streams.testing.ts";
import { draw, graphPage } from "./page.ts";
import type { Picture } from "./picture.ts";

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "ada-graph-"));
  file = path.join(folder, "small.ada");
  writeFileSync(file, smallProgram);
});
afterAll(() => rmSync(folder, { recursive: true }));

const pictures = new Map<GraphStage, Picture>();
function pictureAt(stage: GraphStage): Picture {
  const known = pictures.get(stage);
  if (known) return known;
  const made = pictureOf({ file, out: "", stage });
  if ("status" in made) throw new Error(made.text);
  pictures.set(stage, made.picture);
  return made.picture;
}

describe("a picture", () => {
  // A program that stores everything in f32 has no stage `precise`.
  it.each(graphStages.filter((stage) => stage !== "precise"))(
    "of stage %s has a box for both ends of every line, and every box once",
    (stage) => {
      const { nodes, edges } = pictureAt(stage);
      const ids = new Set(nodes.map((n) => n.id));
      expect(ids.size).toBe(nodes.length);
      expect(edges.filter((e) => !ids.has(e.from) || !ids.has(e.to))).toEqual([]);
      expect(edges.length).toBeGreaterThan(nodes.length / 2);
      for (const e of edges) expect(e.bytes).toBeGreaterThan(0);
    },
  );
  it("groups by module and direction, and has the kernels' costs", () => {
    const { nodes } = pictureAt("fused");
    const groups = new Set(nodes.map((n) => n.group.join("/")));
    expect([...groups].some((g) => g.startsWith("forward/net"))).toBe(true);
    expect([...groups].some((g) => g.startsWith("backward/net"))).toBe(true);
    const contractions = nodes.filter((n) => n.kind === "contract");
    expect(contractions.length).toBeGreaterThan(0);
    for (const n of contractions) expect(Math.min(n.flops, n.bytesMoved, n.dispatches)).toBeGreaterThan(0);
    expect(nodes.filter((n) => n.kind === "result").map((n) => n.label)).toContain("loss");
  });
  it("closes groups into one box each, whose lines add up", () => {
    const picture = pictureAt("fused");
    const all = draw.opened(picture, 99, 1e6);
    expect([...all].sort()).toEqual([...draw.groups(picture).keys()].sort());
    expect(draw.boxes(picture, all)).toBe(picture.nodes.length);
    const boxes = (svg: string) => svg.match(/class="box /g)!.length;
    expect(boxes(draw.svg(picture, all))).toBe(picture.nodes.length);
    expect(boxes(draw.svg(picture, new Set()))).toBe(new Set(picture.nodes.map((n) => n.group[0] ?? n.id)).size);
    expect(draw.opened(picture, 99, 12).size).toBeLessThan(all.size);
  });
  it("has no element outside its canvas", () => {
    const picture = pictureAt("fused");
    const svg = draw.svg(picture, draw.opened(picture, 2, 1e6));
    const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)!.map(Number);
    for (const [, x, y, w, h] of svg.matchAll(/<rect x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"/g)) {
      expect(Number(x)).toBeGreaterThanOrEqual(0);
      expect(Number(y)).toBeGreaterThanOrEqual(0);
      expect(Number(x) + Number(w)).toBeLessThanOrEqual(width! + 0.2);
      expect(Number(y) + Number(h)).toBeLessThanOrEqual(height! + 0.2);
    }
  });
});

describe("the page", () => {
  it("needs nothing outside it and draws with its own scripts what the command draws", () => {
    const picture = pictureAt("fused");
    const open = draw.opened(picture, 1, 1e6);
    const html = graphPage(picture, open);
    expect(html).not.toMatch(/(src|href)=|@import|fetch\(|sourceMappingURL/);
    const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map((m) => m[1]!);
    expect(scripts).toHaveLength(2);
    const data = /<script type="application\/json" id="picture">([\s\S]*?)<\/script>/.exec(html)![1]!;
    const place = { innerHTML: "", addEventListener: () => {}, clientWidth: 800, firstElementChild: null as unknown };
    const svgElement = { viewBox: { baseVal: { width: 100, height: 100 } }, setAttribute: () => {} };
    place.firstElementChild = svgElement;
    const document = { getElementById: (id: string) => (id === "drawing" ? place : id === "picture" ? { textContent: data } : {}) };
    vm.runInNewContext(scripts.join("\n"), { document, structuredClone });
    expect(place.innerHTML).toBe(draw.svg(picture, open));
  });
});

describe("adac graph", () => {
  it("writes both kinds of files, and says what is wrong", () => {
    for (const out of [path.join(folder, "x.svg"), path.join(folder, "x.html")]) {
      expect(graphCommand({ file, out, streams: keptStreams() })).toBe(0);
      expect(readFileSync(out, "utf8").length).toBeGreaterThan(1000);
    }
    const wrong = keptStreams();
    expect(graphCommand({ file, out: "x.png", streams: wrong })).toBe(2);
    expect(graphCommand({ file, out: path.join(folder, "y.svg"), step: "updat", streams: wrong })).toBe(2);
    expect(graphCommand({ file, out: path.join(folder, "y.svg"), step: "update", stage: "grad", streams: wrong })).toBe(2);
    expect(graphCommand({ file, out: path.join(folder, "none", "y.svg"), streams: wrong })).toBe(1);
    expect(wrong.written.err).toMatch(
      /neither \.svg nor \.html[\s\S]*did you mean `update`[\s\S]*has no stage grad[\s\S]*could not be written/,
    );
  });
});
