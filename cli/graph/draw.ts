import type { NodeKind, Picture, PictureNode } from "./picture.ts";

// A picture as SVG: groups that are open are frames, groups that are closed are one box, lines between boxes carry the bytes of the tensors
// that pass. `drawing` stands alone, without imports, because the page carries its text: command and page draw with the same code.

/** What is used of the layout library. */
export interface LayoutLibrary {
  readonly graphlib: { readonly Graph: new (options: object) => LayoutGraph };
  readonly layout: (graph: LayoutGraph) => void;
}
export interface LayoutGraph {
  setGraph(label: object): unknown;
  graph(): { readonly width?: number; readonly height?: number };
  setNode(id: string, label: object): unknown;
  setParent(id: string, parent: string): unknown;
  setEdge(from: string, to: string, label: object): unknown;
  node(id: string): Rectangle;
  edge(from: string, to: string): { readonly points: readonly { readonly x: number; readonly y: number }[] } & Rectangle;
}
interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
export interface Formats {
  readonly count: (n: number) => string;
  readonly bytes: (n: number) => string;
}

export interface Drawing {
  /** The whole picture with these groups open. */
  readonly svg: (picture: Picture, open: ReadonlySet<string>) => string;
  /** Groups by their names, each with the number of groups around it. */
  readonly groups: (picture: Picture) => ReadonlyMap<string, number>;
  /** The groups to open: all up to `depth`, as far as the number of boxes stays at most `most`. */
  readonly opened: (picture: Picture, depth: number, most: number) => ReadonlySet<string>;
  /** How many boxes there are with these groups open. */
  readonly boxes: (picture: Picture, open: ReadonlySet<string>) => number;
}

/** The functions that draw, for a layout library and ways to write numbers. */
export function drawing(library: LayoutLibrary, formats: Formats): Drawing {
  const separator = " / ";
  const colours: Record<NodeKind | "group", readonly [fill: string, line: string]> = {
    contract: ["#dbe8ff", "#2a6fdb"],
    attend: ["#d6f0f5", "#13788c"],
    call: ["#d6f0f5", "#13788c"],
    reduce: ["#ffe7d1", "#d9730d"],
    map: ["#dff3e4", "#2e7d4f"],
    index: ["#f5dcf2", "#9c3a8f"],
    movement: ["#f1efe7", "#8a8677"],
    marker: ["#f1efe7", "#8a8677"],
    leaf: ["#f1efe7", "#8a8677"],
    transfer: ["#ececec", "#6b6a66"],
    input: ["#ffffff", "#6b6a66"],
    result: ["#fff6c9", "#a8860b"],
    group: ["#f7f8fb", "#5b6b8c"],
  };
  const safe = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const cut = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);
  const prefixes = (group: readonly string[]): string[] => group.map((_, i) => group.slice(0, i + 1).join(separator));

  const groups = (picture: Picture): ReadonlyMap<string, number> => {
    const found = new Map<string, number>();
    for (const n of picture.nodes) for (const [i, name] of prefixes(n.group).entries()) found.set(name, i);
    return found;
  };
  /** The box that stands for a node: itself, or the outermost closed group around it. */
  const boxOf = (n: PictureNode, open: ReadonlySet<string>): string => {
    const closed = prefixes(n.group).find((name) => !open.has(name));
    return closed === undefined ? n.id : `group ${closed}`;
  };
  const boxes = (picture: Picture, open: ReadonlySet<string>): number => new Set(picture.nodes.map((n) => boxOf(n, open))).size;
  const opened = (picture: Picture, depth: number, most: number): ReadonlySet<string> => {
    const levels = groups(picture);
    const deepest = Math.max(-1, ...levels.values());
    let best = new Set<string>();
    for (let level = 0; level <= Math.min(depth, deepest + 1); level++) {
      const open = new Set([...levels].filter(([, at]) => at < level).map(([name]) => name));
      if (level > 0 && boxes(picture, open) > most) break;
      best = open;
    }
    return best;
  };

  interface Box {
    readonly id: string;
    readonly group: readonly string[];
    readonly kind: NodeKind | "group";
    readonly lines: readonly string[];
    readonly tip: string;
    readonly toggles: string | null;
  }
  const costs = (nodes: readonly PictureNode[]): string[] => {
    const sum = (of: (n: PictureNode) => number): number => nodes.reduce((total, n) => total + of(n), 0);
    const [flops, moved] = [sum((n) => n.flops), sum((n) => n.bytesMoved)];
    return [...(flops > 0 ? [`${formats.count(flops)} flop`] : []), ...(moved > 0 ? [`${formats.bytes(moved)} moved`] : [])];
  };
  const nodeBox = (n: PictureNode): Box => ({
    id: n.id,
    group: n.group,
    kind: n.kind,
    lines: [
      cut(n.label, 44),
      ...(costs([n]).length > 0 ? [costs([n]).join(", ")] : n.kind === "result" ? [] : n.details.slice(0, 1).map((d) => cut(d, 48))),
    ],
    tip: [n.label, ...costs([n]), ...n.details].join("\n"),
    toggles: null,
  });
  const groupBox = (name: string, group: readonly string[], nodes: readonly PictureNode[]): Box => {
    const kinds = new Map<string, number>();
    for (const n of nodes) if (n.kind !== "input" && n.kind !== "result") kinds.set(n.kind, (kinds.get(n.kind) ?? 0) + 1);
    const parts = [...kinds].map(([kind, n]) => `${n} ${kind}`).join(", ");
    const dispatches = nodes.reduce((sum, n) => sum + n.dispatches, 0);
    return {
      id: `group ${name}`,
      group: group.slice(0, -1),
      kind: "group",
      lines: [
        `▸ ${cut(group[group.length - 1]!, 40)}`,
        ...(dispatches > 0 ? [`${dispatches} ${dispatches === 1 ? "dispatch" : "dispatches"}: ${parts}`] : [parts]),
        costs(nodes).join(", "),
      ].filter((l) => l !== ""),
      tip: [name, parts, ...costs(nodes)].join("\n"),
      toggles: name,
    };
  };

  interface Line {
    readonly from: string;
    readonly to: string;
    readonly tensors: Map<string, { readonly bytes: number; readonly what: string }>;
  }
  const withNotes = (box: Box, notes: readonly string[]): Box =>
    notes.length === 0 ? box : { ...box, lines: [...box.lines, notes[0]!], tip: [box.tip, ...notes].join("\n") };
  /**
   * Many lines from the forward to the backward part would hide everything else: they are taken out, and said in the boxes at both ends (a
   * line for the box, then more for its tip). What begins the backward part keeps its lines.
   */
  const separated = (lines: Map<string, Line>, sideOf: (box: string) => string | undefined): Map<string, readonly string[]> => {
    const crossing = [...lines].filter(([, line]) => sideOf(line.from) === "forward" && sideOf(line.to) === "backward");
    if (crossing.length <= 12) return new Map();
    const fed = new Set([...lines.values()].filter((line) => sideOf(line.from) === "backward").map((line) => line.to));
    interface End {
      readonly saves: boolean;
      readonly tensors: Map<string, number>;
      readonly tips: string[];
    }
    const ends = new Map<string, End>();
    for (const [key, line] of crossing) {
      if (!fed.has(line.to)) continue;
      lines.delete(key);
      for (const [box, other] of [
        [line.from, line.to],
        [line.to, line.from],
      ] as const) {
        const end: End = ends.get(box) ?? { saves: box === line.from, tensors: new Map(), tips: [] };
        ends.set(box, end);
        for (const [tensor, t] of line.tensors) {
          end.tensors.set(tensor, t.bytes);
          end.tips.push(`${end.saves ? "for" : "from"} ${other.replace("group ", "")}: ${t.what}`);
        }
      }
    }
    const text = (saves: boolean, tensors: Map<string, number>): string => {
      const total = formats.bytes([...tensors.values()].reduce((sum, n) => sum + n, 0));
      const kept = `${tensors.size} kept ${tensors.size === 1 ? "tensor" : "tensors"}, ${total}`;
      return saves ? `${kept}, read backward` : `reads ${kept}`;
    };
    return new Map([...ends].map(([box, end]) => [box, [text(end.saves, end.tensors), ...end.tips.slice(0, 20)]]));
  };

  const svg = (picture: Picture, open: ReadonlySet<string>): string => {
    const members = new Map<string, PictureNode[]>();
    const boxOfNode = new Map<string, string>();
    for (const n of picture.nodes) {
      const box = boxOf(n, open);
      boxOfNode.set(n.id, box);
      members.set(box, [...(members.get(box) ?? []), n]);
    }
    const lines = new Map<string, Line>();
    for (const e of picture.edges) {
      const [from, to] = [boxOfNode.get(e.from), boxOfNode.get(e.to)];
      if (from === undefined || to === undefined || from === to) continue;
      const key = `${from}\n${to}`;
      const line = lines.get(key) ?? { from, to, tensors: new Map() };
      lines.set(key, line);
      line.tensors.set(e.tensor, e);
    }
    const labelOf = (line: Line): string => {
      const total = [...line.tensors.values()].reduce((sum, t) => sum + t.bytes, 0);
      return line.tensors.size === 1 ? formats.bytes(total) : `${line.tensors.size}: ${formats.bytes(total)}`;
    };
    const apart = separated(lines, (box) => members.get(box)![0]!.group[0]);
    const boxes = [...members].map(([id, nodes]): Box => {
      const notes = apart.get(id) ?? [];
      const first = nodes[0]!;
      if (id === first.id) return withNotes(nodeBox(first), notes);
      const name = id.slice("group ".length);
      return withNotes(groupBox(name, first.group.slice(0, name.split(separator).length), nodes), notes);
    });
    const graph = new library.graphlib.Graph({ compound: true });
    graph.setGraph({ rankdir: "TB", nodesep: 18, ranksep: 26, edgesep: 8, marginx: 16, marginy: 16 });
    const frames = new Map<string, readonly string[]>();
    for (const box of boxes) {
      const width = Math.max(...box.lines.map((line, i) => line.length * (i === 0 ? 7 : 6))) + 22;
      graph.setNode(box.id, { width, height: 12 + 15 * box.lines.length });
      for (const [i, name] of prefixes(box.group).entries()) {
        if (!frames.has(name)) graph.setNode(`frame ${name}`, {});
        frames.set(name, box.group.slice(0, i + 1));
      }
    }
    for (const [name, group] of frames)
      if (group.length > 1) graph.setParent(`frame ${name}`, `frame ${group.slice(0, -1).join(separator)}`);
    for (const box of boxes) if (box.group.length > 0) graph.setParent(box.id, `frame ${box.group.join(separator)}`);

    for (const line of lines.values())
      graph.setEdge(line.from, line.to, { width: labelOf(line).length * 5 + 6, height: 11, labelpos: "c" });
    library.layout(graph);

    const { width = 100, height = 100 } = graph.graph();
    const number = (n: number): string => String(Math.round(n * 10) / 10);
    const rect = (r: Rectangle, more: string): string =>
      `<rect x="${number(r.x - r.width / 2)}" y="${number(r.y - r.height / 2)}" width="${number(r.width)}" height="${number(r.height)}" ${more}/>`;
    const parts: string[] = [];
    for (const [name, group] of [...frames].sort((a, b) => a[1].length - b[1].length)) {
      const at = graph.node(`frame ${name}`);
      parts.push(
        `<g class="frame" data-group="${safe(name)}"><title>${safe(name)}</title>${rect(at, `rx="8" fill="#33508c" fill-opacity="0.045" stroke="#9aa7c2"`)}` +
          `<text x="${number(at.x - at.width / 2 + 8)}" y="${number(at.y - at.height / 2 + 14)}" class="name">▾ ${safe(group[group.length - 1]!)}</text></g>`,
      );
    }
    for (const line of lines.values()) {
      const at = graph.edge(line.from, line.to);
      const [first, ...rest] = at.points;
      if (first === undefined) continue;
      const path = rest.map((p, i) => {
        const next = rest[i + 1];
        // Curves through the middles of the pieces; the last piece ends at the box.
        return next === undefined
          ? `L${number(p.x)} ${number(p.y)}`
          : `Q${number(p.x)} ${number(p.y)} ${number((p.x + next.x) / 2)} ${number((p.y + next.y) / 2)}`;
      });
      const tip = [...line.tensors.values()].map((t) => `${t.what}: ${formats.bytes(t.bytes)}`).slice(0, 12);
      parts.push(
        `<g class="line"><title>${safe(tip.join("\n"))}</title><path d="M${number(first.x)} ${number(first.y)}${path.join("")}" marker-end="url(#tip)"/>` +
          `<text x="${number(at.x)}" y="${number(at.y + 3)}">${safe(labelOf(line))}</text></g>`,
      );
    }
    for (const box of boxes) {
      const at = graph.node(box.id);
      const [fill, stroke] = colours[box.kind];
      const round = box.kind === "input" || box.kind === "result" ? at.height / 2 : 4;
      const text = box.lines.map(
        (line, i) =>
          `<text x="${number(at.x)}" y="${number(at.y - at.height / 2 + 17 + 15 * i)}" class="${i === 0 ? "title" : "fact"}">${safe(line)}</text>`,
      );
      const group = box.toggles === null ? "" : ` data-group="${safe(box.toggles)}"`;
      parts.push(
        `<g class="box ${box.kind}"${group}><title>${safe(box.tip)}</title>${rect(at, `rx="${number(round)}" fill="${fill}" stroke="${stroke}"${box.kind === "group" ? ` stroke-width="1.6"` : ""}`)}${text.join("")}</g>`,
      );
    }
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${number(width)}" height="${number(height)}" viewBox="0 0 ${number(width)} ${number(height)}">` +
      `<style>text{font:11px system-ui,"Segoe UI",Roboto,"DejaVu Sans",Arial,sans-serif;fill:#26262a}.box text{text-anchor:middle}.title{font-weight:600;font-size:12px}.fact{fill:#5a5954;font-size:10px}` +
      `.name{font-weight:600;fill:#3c4a68}.line path{fill:none;stroke:#8f9099}.line text{text-anchor:middle;font-size:9px;fill:#44444a;paint-order:stroke;stroke:#fff;stroke-width:2.5px}[data-group]{cursor:pointer}</style>` +
      `<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#8f9099"/></marker></defs>` +
      `<rect width="100%" height="100%" fill="#fff"/>${parts.join("\n")}</svg>`
    );
  };
  return { svg, groups, opened, boxes };
}
