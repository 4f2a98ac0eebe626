// The eight places and the plain wall: two or three colours and a sine pattern whose phases are the nuisance record's.
// Each scene is one row: a function from the phases to shapes that cover the picture.
import type { Nuisance, Scene } from "./nuisance.ts";
import { blend, hsv, type Point, polygon, type Rgb, rgb255, type Shape, smoothLine, smoothLoop, superellipse } from "./shapes.ts";

type Phases = Nuisance["phases"];

const behind = (path: string, fill: Rgb): Shape => ({ path, fill, lit: false, mask: "unchanged" });
const edge = 1.02;
const box = (left: number, top: number, right: number, bottom: number, fill: Rgb): Shape =>
  behind(
    polygon([
      [left, top],
      [right, top],
      [right, bottom],
      [left, bottom],
    ]),
    fill,
  );
const disc = (centre: Point, radius: number, fill: Rgb): Shape => behind(smoothLoop(superellipse(centre, radius, radius, 2, 12)), fill);

const turn = 2 * Math.PI;

/** Everything below the curve `level + height * sin(waves * x + phase)`; `waves` counts per half picture. */
function below(level: number, height: number, waves: number, phase: number, fill: Rgb, bottom = edge): Shape {
  const count = Math.max(12, Math.ceil(waves * 16));
  const line = Array.from({ length: count + 1 }, (_, i): Point => {
    const x = -edge + (2 * edge * i) / count;
    return [x, level + height * Math.sin(turn * (waves * 0.5 * x + phase))];
  });
  return behind(
    smoothLine(line, [
      [edge, bottom],
      [-edge, bottom],
    ]),
    fill,
  );
}

/** A wavy band of the given thickness. */
function band(level: number, thickness: number, height: number, waves: number, phase: number, fill: Rgb): Shape {
  const count = Math.max(12, Math.ceil(waves * 16));
  const line = (offset: number) =>
    Array.from({ length: count + 1 }, (_, i): Point => {
      const x = -edge + (2 * edge * i) / count;
      return [x, level + offset + height * Math.sin(turn * (waves * 0.5 * x + phase))];
    });
  return behind(smoothLine([...line(0), ...line(thickness).reverse()], [line(0)[0]!]), fill);
}

/** Evenly scattered places: the two-dimensional golden-ratio sequence, begun where the phases say. */
function scatter(count: number, phases: Phases): Point[] {
  return Array.from({ length: count }, (_, i) => [
    2 * ((phases[0] + i * 0.7548776662) % 1) - 1,
    2 * ((phases[1] + i * 0.569840291) % 1) - 1,
  ]);
}

function sky(top: Rgb, bottom: Rgb, from: number, to: number, steps: number): Shape[] {
  return Array.from({ length: steps }, (_, i) => {
    const y = from + ((to - from) * i) / steps;
    return box(-edge, y, edge, edge, blend(top, bottom, steps === 1 ? 0 : i / (steps - 1)));
  });
}

const sceneTable: Record<Scene, (phases: Phases) => Shape[]> = {
  beach: ([p, q, r]) => [
    box(-edge, -edge, edge, edge, rgb255(120, 205, 245)),
    disc([0.8 * Math.cos(turn * r), -0.72], 0.16, rgb255(255, 240, 150)),
    box(-edge, -0.2, edge, edge, rgb255(25, 125, 200)),
    band(-0.05, 0.06, 0.03, 3, p, rgb255(110, 195, 235)),
    below(0.2, 0.07, 1.2, q, rgb255(250, 250, 250)),
    below(0.28, 0.07, 1.2, q, rgb255(240, 215, 140)),
  ],
  snow: (phases) => [
    box(-edge, -edge, edge, edge, rgb255(165, 190, 220)),
    below(-0.1, 0.13, 1.1, phases[3], rgb255(215, 228, 242)),
    below(0.25, 0.1, 1.6, phases[2], rgb255(250, 252, 255)),
    ...scatter(26, phases).map((p) => disc(p, 0.045, rgb255(255, 255, 255))),
  ],
  forest: ([p, q, r, s]) => [
    box(-edge, -edge, edge, edge, rgb255(150, 195, 120)),
    below(-0.35, 0.3, 3, p, rgb255(45, 110, 50)),
    ...[0, 1, 2, 3, 4].map((i) => {
      const x = -1 + 0.5 * i + 0.4 * (i % 2 === 0 ? r : s) - 0.1;
      return box(x - 0.05, -0.5, x + 0.05, 0.7, rgb255(85, 55, 30));
    }),
    below(0.1, 0.18, 4, q, rgb255(25, 75, 35)),
    below(0.62, 0.04, 5, s, rgb255(60, 130, 50)),
  ],
  city: (phases) => [
    box(-edge, -edge, edge, edge, rgb255(190, 200, 215)),
    ...Array.from({ length: 7 }, (_, i) => {
      const left = -1.15 + i * 0.33;
      const top = -0.35 + 0.45 * Math.sin(turn * (i * 0.37 + phases[0]));
      const wall = i % 2 === 0 ? rgb255(95, 100, 115) : rgb255(130, 120, 120);
      const windows = Array.from({ length: 8 }, (_, k) => {
        const x = left + 0.07 + 0.13 * (k % 2);
        const y = top + 0.1 + 0.22 * Math.floor(k / 2);
        return box(x, y, x + 0.07, y + 0.1, rgb255(250, 225, 130));
      });
      return [box(left, top, left + 0.31, edge, wall), ...windows];
    }).flat(),
    box(-edge, 0.72, edge, edge, rgb255(60, 62, 70)),
  ],
  night: (phases) => [
    box(-edge, -edge, edge, edge, rgb255(14, 18, 52)),
    ...scatter(22, phases).map((p, i) => disc(p, i % 3 === 0 ? 0.035 : 0.022, rgb255(250, 245, 215))),
    disc([0.75 * Math.cos(turn * phases[3]), -0.68], 0.19, rgb255(245, 240, 205)),
    below(0.45, 0.1, 1.4, phases[2], rgb255(6, 8, 24)),
  ],
  desert: ([p, q, r, s]) => [
    ...sky(rgb255(245, 205, 120), rgb255(255, 235, 180), -edge, 0, 4),
    disc([0.7 * Math.cos(turn * s), -0.6], 0.2, rgb255(255, 250, 225)),
    below(-0.12, 0.16, 1, p, rgb255(225, 165, 85)),
    below(0.15, 0.14, 1.4, q, rgb255(205, 135, 60)),
    below(0.5, 0.1, 1.1, r, rgb255(180, 110, 45)),
  ],
  sunset: ([p, q, r]) => [
    ...sky(rgb255(75, 35, 110), rgb255(255, 150, 60), -edge, 0.25, 9),
    disc([0.6 * Math.cos(turn * q), 0.12], 0.36, rgb255(255, 225, 90)),
    band(-0.45, 0.07, 0.03, 1.3, r, rgb255(240, 100, 110)),
    below(0.3, 0.02, 3, p, rgb255(90, 30, 80)),
    band(0.5, 0.05, 0.02, 2.5, p, rgb255(235, 120, 80)),
    band(0.72, 0.05, 0.02, 2.5, r, rgb255(235, 120, 80)),
  ],
  lava: ([p, q, r, s]) => [
    box(-edge, -edge, edge, edge, rgb255(42, 14, 12)),
    band(-0.75, 0.16, 0.14, 1.5, p, rgb255(235, 70, 10)),
    band(-0.2, 0.14, 0.16, 1.8, q, rgb255(255, 120, 15)),
    band(0.3, 0.18, 0.14, 1.4, r, rgb255(235, 70, 10)),
    band(0.36, 0.07, 0.14, 1.4, r, rgb255(255, 205, 60)),
    band(0.75, 0.14, 0.12, 2, s, rgb255(255, 120, 15)),
  ],
};

/** Shapes that fill the picture behind the subject. */
export function drawScene(how: Nuisance): Shape[] {
  if (how.scene === "plain") return [box(-edge, -edge, edge, edge, hsv(how.plainHue, 0.08, how.plainLightness))];
  return sceneTable[how.scene](how.phases);
}
