import type { Data, Mark, Scale, Spec } from "vega";

// Charts of a report, drawn by Vega to SVG text without a screen. Colours are stand-ins: the page's style sheet gives each of them its
// real colour for a light and a dark page.

/** Stand-in colours; `page.ts` maps them to variables. */
export const inks = {
  text: "#010101",
  grid: "#020202",
  first: "#030303",
  second: "#040404",
  faint: "#050505",
} as const;

export interface Point {
  readonly x: number;
  readonly y: number;
}
export interface Series {
  readonly name: string;
  readonly ink: "first" | "second" | "faint";
  readonly points: readonly Point[];
  readonly dashed?: boolean;
  readonly thin?: boolean;
}
export interface LineChart {
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  readonly xDomain?: readonly [number, number];
  readonly yDomain?: readonly [number, number];
  /** For a place a third of a row wide. */
  readonly small?: boolean;
  readonly marked?: readonly Point[];
}
export interface BandChart {
  readonly x: string;
  readonly y: string;
  readonly edges: readonly number[];
  readonly series: readonly { readonly name: string; readonly ink: "first" | "second"; readonly shares: readonly number[] }[];
  readonly rule?: { readonly at: number; readonly text: string };
}

const wide = { width: 520, height: 260 };
const small = { width: 300, height: 130 };
const font = "inherit";

function frame(width: number, height: number): Pick<Spec, "$schema" | "width" | "height" | "padding" | "config"> {
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    width,
    height,
    padding: 4,
    config: {
      axis: {
        labelFont: font,
        titleFont: font,
        labelFontSize: 12,
        titleFontSize: 12,
        titleFontWeight: "normal",
        labelColor: inks.text,
        titleColor: inks.text,
        domainColor: inks.grid,
        tickColor: inks.grid,
        gridColor: inks.grid,
        titlePadding: 8,
      },
    },
  };
}

const axes = (x: string, y: string): Spec["axes"] => [
  { orient: "bottom", scale: "x", title: x, tickCount: 6, grid: false },
  { orient: "left", scale: "y", title: y, tickCount: 5, grid: true, domain: false, ticks: false },
];

async function svgOf(spec: Spec): Promise<string> {
  const vega = await import("vega");
  const view = new vega.View(vega.parse(spec), { renderer: "none", logLevel: vega.Error });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}

/** Lines over a number. */
export function lineChart(chart: LineChart): Promise<string> {
  const size = chart.small ? small : wide;
  const named = (i: number) => `series${i}`;
  const data: Data[] = chart.series.map((series, i) => ({ name: named(i), values: series.points.map((point) => ({ ...point })) }));
  const all = chart.series.flatMap((series) => series.points);
  data.push({ name: "all", values: all.map((point) => ({ ...point })) });
  data.push({ name: "marked", values: (chart.marked ?? []).map((point) => ({ ...point })) });
  const scales: Scale[] = [
    {
      name: "x",
      type: "linear",
      range: "width",
      zero: false,
      nice: false,
      domain: chart.xDomain ? [...chart.xDomain] : { data: "all", field: "x" },
    },
    {
      name: "y",
      type: "linear",
      range: "height",
      zero: true,
      nice: true,
      domain: chart.yDomain ? [...chart.yDomain] : { data: "all", field: "y" },
    },
  ];
  const lines = chart.series.map(
    (series, i): Mark => ({
      type: "line",
      from: { data: named(i) },
      encode: {
        enter: {
          x: { scale: "x", field: "x" },
          y: { scale: "y", field: "y" },
          stroke: { value: inks[series.ink] },
          strokeWidth: { value: series.thin ? 1 : 2 },
          strokeDash: { value: series.dashed ? [4, 4] : [] },
          strokeJoin: { value: "round" },
        },
      },
    }),
  );
  const dots: Mark = {
    type: "symbol",
    from: { data: "marked" },
    encode: {
      enter: {
        x: { scale: "x", field: "x" },
        y: { scale: "y", field: "y" },
        size: { value: 50 },
        fill: { value: inks.first },
      },
    },
  };
  return svgOf({ ...frame(size.width, size.height), data, scales, axes: axes(chart.x, chart.y), marks: [...lines, dots] });
}

/** Histograms over common bins, one above the other. */
export function bandChart(chart: BandChart): Promise<string> {
  const data: Data[] = chart.series.map((series, i) => ({
    name: `series${i}`,
    values: series.shares.map((share, bin) => ({ from: chart.edges[bin]!, to: chart.edges[bin + 1]!, share: 100 * share })),
  }));
  const highest = 100 * Math.max(...chart.series.flatMap((series) => series.shares));
  const scales: Scale[] = [
    { name: "x", type: "linear", range: "width", domain: [chart.edges[0]!, chart.edges.at(-1)!], zero: false },
    { name: "y", type: "linear", range: "height", domain: [0, highest], nice: true },
  ];
  const bars = chart.series.map(
    (series, i): Mark => ({
      type: "rect",
      from: { data: `series${i}` },
      encode: {
        enter: {
          x: { scale: "x", field: "from", offset: 0.5 },
          x2: { scale: "x", field: "to", offset: -0.5 },
          y: { scale: "y", field: "share" },
          y2: { scale: "y", value: 0 },
          fill: { value: inks[series.ink] },
          fillOpacity: { value: 0.65 },
        },
      },
    }),
  );
  const rule: Mark[] = chart.rule
    ? [
        {
          type: "rule",
          encode: {
            enter: {
              x: { scale: "x", value: chart.rule.at },
              y: { value: 0 },
              y2: { signal: "height" },
              stroke: { value: inks.text },
              strokeDash: { value: [3, 3] },
            },
          },
        },
        {
          type: "text",
          encode: {
            enter: {
              x: { scale: "x", value: chart.rule.at, offset: chart.rule.at > 0 ? -6 : 6 },
              align: { value: chart.rule.at > 0 ? "right" : "left" },
              y: { value: 10 },
              text: { value: chart.rule.text },
              fill: { value: inks.text },
              font: { value: font },
              fontSize: { value: 12 },
            },
          },
        },
      ]
    : [];
  return svgOf({ ...frame(wide.width, wide.height), data, scales, axes: axes(chart.x, chart.y), marks: [...bars, ...rule] });
}

/** The mean of a series over `over` points around each: it follows the curve without lagging behind. */
export function smoothed(points: readonly Point[], over: number): Point[] {
  const half = Math.floor(over / 2);
  return points.map(({ x }, i) => {
    // As many on both sides, so that the ends are not pulled inwards.
    const reach = Math.min(half, i, points.length - 1 - i);
    const around = points.slice(i - reach, i + reach + 1);
    return { x, y: around.reduce((sum, point) => sum + point.y, 0) / around.length };
  });
}
