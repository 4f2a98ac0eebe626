import { inks } from "./charts.ts";

// The page of a report: one file with nothing outside it, for a light and a dark screen and for paper.

/** Text that is safe inside an element or an attribute. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

const light = {
  page: "#fcfcfb",
  card: "#ffffff",
  text: "#1c1c1a",
  muted: "#6b6a66",
  line: "#e5e4df",
  first: "#2a6fdb",
  second: "#d9730d",
  faint: "#9fb8e4",
  good: "#2e7d4f",
  bad: "#b3382c",
};
const dark = {
  page: "#161615",
  card: "#1f1f1d",
  text: "#ecebe6",
  muted: "#a09f99",
  line: "#353431",
  first: "#6aa5f8",
  second: "#f0a050",
  faint: "#4d6a9a",
  good: "#6cc391",
  bad: "#ef8377",
};
const variables = (palette: Readonly<Record<string, string>>) =>
  Object.entries(palette)
    .map(([name, value]) => `--${name}:${value}`)
    .join(";");

const inkVariables: Readonly<Record<keyof typeof inks, string>> = {
  text: "muted",
  grid: "line",
  first: "first",
  second: "second",
  faint: "faint",
};
const inkRules = (Object.keys(inks) as (keyof typeof inks)[])
  .map(
    (ink) => `svg [fill="${inks[ink]}"]{fill:var(--${inkVariables[ink]})}svg [stroke="${inks[ink]}"]{stroke:var(--${inkVariables[ink]})}`,
  )
  .join("\n");

const style = `
:root{color-scheme:light dark;${variables(light)}}
@media (prefers-color-scheme:dark){:root{${variables(dark)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-font-smoothing:antialiased}
main{max-width:1120px;margin:0 auto;padding:40px 24px 72px}
header p,figcaption,.note,dt,.tile span{color:var(--muted)}
h1{font-size:28px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:19px;margin:44px 0 4px;letter-spacing:-.005em}
h3{font-size:15px;margin:20px 0 8px}
p{margin:0 0 12px;max-width:70ch}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin:24px 0 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.tile b{display:block;font-size:24px;line-height:1.25;font-weight:600;font-variant-numeric:tabular-nums}
.tile span{font-size:13px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:16px;margin:16px 0 0}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 14px 6px}
figcaption{font-size:13px;margin:0 0 8px}
figcaption b{color:var(--text);font-size:14px;font-weight:600;display:block}
figure svg{display:block;width:100%;height:auto}
.small{grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr))}
.key{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 5px 0 0;vertical-align:baseline}
.key+span{margin-right:14px}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(156px,1fr));gap:12px;margin:0}
.pair{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:8px;font-variant-numeric:tabular-nums}
.pair div{display:grid;grid-template-columns:1fr 1fr;gap:4px}
.pair img{width:100%;aspect-ratio:1;object-fit:cover;border-radius:6px;display:block;background:var(--line)}
.pair p{margin:6px 2px 0;font-size:13px;display:flex;justify-content:space-between;color:var(--muted)}
.pair p b{color:var(--text);font-weight:600}
.good b{color:var(--good)}.bad b{color:var(--bad)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;margin:12px 0 0;font-size:14px}
dt{margin:0}dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:16px 0 0}
th,td{text-align:left;padding:5px 16px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--muted);font-weight:500}
.number{text-align:right}
code{font:13px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media print{figure,.tile,.pair{break-inside:avoid}}
${inkRules}`;

/** A whole page. `body` is markup. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}
</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}

/** A number with its name below. */
export function tile(value: string, name: string): string {
  return `<div class="tile"><b>${escaped(value)}</b><span>${escaped(name)}</span></div>`;
}

export interface Key {
  readonly ink: keyof typeof inks;
  readonly text: string;
}

/** A chart with a title, a line of explanation and, for several series, their colours. */
export function figure(title: string, explanation: string, svg: string, keys: readonly Key[] = []): string {
  const legend = keys
    .map((key) => `<i class="key" style="background:var(--${inkVariables[key.ink]})"></i><span>${escaped(key.text)}</span>`)
    .join("");
  return `<figure><figcaption><b>${escaped(title)}</b>${legend}${escaped(explanation)}</figcaption>${svg}</figure>`;
}

/** Facts as a list of names and values. */
export function facts(rows: readonly (readonly [string, string])[]): string {
  return `<dl>${rows.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join("")}</dl>`;
}
