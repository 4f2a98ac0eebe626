import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import * as dagre from "@dagrejs/dagre";
import { bytes, count } from "../figures.ts";
import { type Drawing, drawing, type LayoutLibrary } from "./draw.ts";
import type { Picture } from "./picture.ts";

// The page of `adac graph -o x.html`: one file with nothing outside it. It carries the picture as JSON, the layout library as its authors
// built it for browsers, and our own drawing as the text of the function that the command draws with too.

export const draw: Drawing = drawing(dagre as unknown as LayoutLibrary, { count, bytes });

const scriptOfLibrary = (): string => {
  const entry = createRequire(import.meta.url).resolve("@dagrejs/dagre/package.json");
  return readFileSync(path.join(path.dirname(entry), "dist", "dagre.min.js"), "utf8").replace(/^\/\/# sourceMappingURL.*$/m, "");
};

const interaction = `
const { picture, open: first } = JSON.parse(document.getElementById("picture").textContent);
const d = drawing(dagre, { count, bytes });
const place = document.getElementById("drawing");
let open = new Set(first);
let scale = null;
const state = document.getElementById("state");
const most = 800;
function fit() {
  const svg = place.firstElementChild;
  const box = svg.viewBox.baseVal;
  const s = scale ?? Math.min(1, (place.clientWidth - 4) / box.width);
  svg.setAttribute("width", box.width * s);
  svg.setAttribute("height", box.height * s);
}
function show() {
  place.innerHTML = d.svg(picture, open);
  fit();
  const n = d.groups(picture).size;
  state.textContent = n === 0 ? "" : open.size + " of " + n + " groups open";
}
place.addEventListener("click", (event) => {
  const group = event.target.closest("[data-group]")?.dataset.group;
  if (group === undefined) return;
  if (open.has(group)) for (const name of [...open]) { if (name === group || name.startsWith(group + " / ")) open.delete(name); }
  else open.add(group);
  show();
});
document.getElementById("more").onclick = () => {
  const closed = [...d.groups(picture)].filter(([name]) => !open.has(name));
  const level = Math.min(...closed.map(([, at]) => at));
  const next = new Set([...open, ...closed.filter(([, at]) => at === level).map(([name]) => name)]);
  if (d.boxes(picture, next) > most) { state.textContent = "that would be more than " + most + " boxes: open single groups"; return; }
  open = next;
  show();
};
document.getElementById("less").onclick = () => {
  const levels = d.groups(picture);
  const level = Math.max(...[...open].map((name) => levels.get(name)));
  for (const name of [...open]) if (levels.get(name) === level) open.delete(name);
  show();
};
for (const [id, factor] of [["in", 1.25], ["out", 0.8]]) document.getElementById(id).onclick = () => {
  const svg = place.firstElementChild;
  scale = (scale ?? svg.width.baseVal.value / svg.viewBox.baseVal.width) * factor;
  fit();
};
document.getElementById("fit").onclick = () => { scale = null; fit(); };
show();
`;

const style = `body{margin:0;font:13px system-ui,"Segoe UI",Roboto,Arial,sans-serif;background:#fff;color:#26262a}
header{position:sticky;top:0;background:#fffffff0;border-bottom:1px solid #dddcd6;padding:8px 14px;display:flex;gap:8px;align-items:center;flex-wrap:wrap}
h1{font-size:15px;margin:0 12px 0 0}button{font:inherit;padding:2px 9px;border:1px solid #c9c8c2;border-radius:6px;background:#f7f7f4;cursor:pointer}
#drawing{overflow:auto;padding:2px}#state,p{color:#6b6a66;margin:0}`;

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** The whole page; `open`: the groups that are open at first. */
export function graphPage(picture: Picture, open: ReadonlySet<string>): string {
  const data = JSON.stringify({ picture, open: [...open] }).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(picture.title)}</title>
<style>${style}</style>
</head>
<body>
<header><h1>${escaped(picture.title)}</h1>
<button id="more">one level more</button><button id="less">one level less</button>
<button id="in">larger</button><button id="out">smaller</button><button id="fit">fit</button>
<span id="state"></span><p>Click on a group to open or close it; rest on a box or a line to see its details.</p></header>
<div id="drawing"></div>
<script type="application/json" id="picture">${data}</script>
<script>${scriptOfLibrary()}</script>
<script>${[count, bytes, drawing].map((f) => f.toString()).join("\n")}
${interaction}</script>
</body>
</html>
`;
}
