// Identity and nuisance -> the subject as shapes, in drawing order: back hair, shirt, neck, face, beard, fringe, eyes, brows, nose, mouth,
// sunglasses, hat; in the comic style each outline is dark. Geometry lives in the head frame (u, w): face half-height 1, w down.
import type { Identity } from "./identity.ts";
import { colours, type Nuisance } from "./nuisance.ts";
import { blend, darken, hsv, type Point, polygon, type Rgb, rgb255, type Shape, smoothLine, smoothLoop, superellipse } from "./shapes.ts";

const mix = (low: number, high: number, t: number) => low + (high - low) * t;
const ink = rgb255(22, 16, 26);

/** Sizes and colours that an identity's numbers stand for. */
function measures(who: Identity) {
  const halfWidth = mix(0.62, 0.88, who.faceWidth);
  const skin = hsv(who.skinHue, 0.47, mix(0.45, 0.95, who.skinLightness));
  const hair = hsv(who.hairHue, 0.75, mix(0.12, 0.87, who.hairLightness));
  return {
    halfWidth,
    jaw: mix(2, 3.6, who.jaw),
    skin,
    hair,
    beard: blend(hair, skin, mix(0.4, 0, who.beard)),
    iris: hsv(who.eyeHue, 0.8, 0.75),
    lips: blend(darken(skin, 0.62), rgb255(205, 25, 60), who.lipColour),
    eyeAt: halfWidth * mix(0.38, 0.56, who.eyeGap),
    eye: mix(0.12, 0.21, who.eyeSize),
    brow: mix(0.05, 0.15, who.browThickness),
    browSlope: mix(-0.13, 0.13, who.browAngle),
    nose: mix(0.07, 0.18, who.noseSize),
    // One and a half times a natural mouth: at 32 pixels the expression should be readable at all.
    mouth: mix(0.26, 0.5, who.mouthWidth) * (0.6 + 0.5 * halfWidth),
  };
}

/** The outline of the face at a polar angle (0 = right ear, a quarter turn = chin); above the ears an ellipse, below the jaw's superellipse. */
function faceOutline(halfWidth: number, jaw: number, grow: number, from: number, to: number, count: number): Point[] {
  return Array.from({ length: count }, (_, i) => {
    const angle = 2 * Math.PI * mix(from, to, count === 1 ? 0 : i / (count - 1));
    const exponent = Math.sin(angle) > 0 ? jaw : 2.2;
    const power = (x: number) => Math.sign(x) * Math.abs(x) ** (2 / exponent);
    const w = power(Math.sin(angle));
    // Cheeks taper towards the chin, less so on a square jaw.
    const taper = 1 - mix(0.24, 0.1, (jaw - 2) / 1.6) * Math.max(0, w) ** 1.5;
    return [halfWidth * power(Math.cos(angle)) * taper * grow, w * grow];
  });
}

/** The subject's shapes, in drawing order. */
export function drawHead(who: Identity, how: Nuisance): Shape[] {
  const m = measures(who);
  const frame = (tilt: number) => {
    const [cos, sin] = [Math.cos(tilt), Math.sin(tilt)];
    return ([u, w]: Point): Point => [how.centreX + how.scale * (u * cos - w * sin), how.centreY + how.scale * (u * sin + w * cos)];
  };
  const head = frame(how.tilt);
  const body = frame(how.tilt * 0.3);
  const outline = how.style === "comic" ? { stroke: { colour: ink, width: 0.075 * how.scale } } : {};
  const solid = (path: string, fill: Rgb, mask: Shape["mask"], extra: Partial<Shape> = {}): Shape => ({
    path,
    fill,
    lit: true,
    mask,
    ...outline,
    ...extra,
  });
  const detail = (path: string, fill: Rgb): Shape => ({ path, fill, lit: true, mask: "unchanged" });
  const line = (points: readonly Point[], colour: Rgb, width: number): Shape => ({
    path: smoothLine(points.map(head)),
    stroke: { colour, width: width * how.scale },
    lit: true,
    mask: "unchanged",
  });
  const loop = (points: readonly Point[], into = head) => smoothLoop(points.map(into));
  const both = (shape: (side: 1 | -1) => Shape[]) => [...shape(-1), ...shape(1)];

  return [
    ...backHair(),
    solid(loop(superellipse([0, 2.22], mix(1.3, 1.5, who.gender), 0.98, 2.7, 24), body), shirtColour(), "outside"),
    ...neck(),
    ...(who.hairLength < 0.5 ? both(ear) : []),
    solid(loop(faceOutline(m.halfWidth, m.jaw, 1, 0, 1 - 1 / 32, 32)), m.skin, "inside"),
    ...beard(),
    ...fringe(),
    ...both(eye),
    ...both(brow),
    ...nose(),
    ...mouth(),
    ...(how.sunglasses ? glasses() : []),
    ...(how.hat === "none" ? [] : hat(hsv(colours.indexOf(how.hat) / 6, 0.9, 0.85))),
  ];

  function shirtColour(): Rgb {
    return hsv(colours.indexOf(how.shirt) / 6, 0.9, 0.85);
  }

  function backHair(): Shape[] {
    const [top, bottom] = [-1.2, mix(0.1, 1.7, who.hairLength)];
    const width = m.halfWidth + mix(0.1, 0.26, who.hairLength);
    return [solid(loop(superellipse([0, (top + bottom) / 2], width, (bottom - top) / 2, mix(2, 2.6, who.hairLength))), m.hair, "inside")];
  }

  function neck(): Shape[] {
    const half = mix(0.26, 0.36, who.gender);
    const points: Point[] = [
      [-half, 0.6],
      [half, 0.6],
      [half * 1.1, 1.3],
      [0, 1.55],
      [-half * 1.1, 1.3],
    ];
    return [solid(polygon(points.map(body)), darken(m.skin, 0.82), "outside")];
  }

  function ear(side: 1 | -1): Shape[] {
    return [solid(loop(superellipse([side * m.halfWidth, 0.02], 0.11, 0.2, 2, 10)), darken(m.skin, 0.92), "inside")];
  }

  function beard(): Shape[] {
    if (who.beard === 0) return [];
    // From one cheek around the chin to the other, then back above the mouth.
    const reach = mix(0.1, 0.005, who.beard);
    const outer = faceOutline(m.halfWidth, m.jaw, mix(1, 1.1, who.beard), reach, 0.5 - reach, 15);
    const cheek = outer[outer.length - 1]!;
    const upper = mix(0.42, 0.3, who.beard);
    const inner: Point[] = [
      [cheek[0] * 0.82, mix(cheek[1], upper, 0.5)],
      [-m.mouth * 0.75, upper],
      [0, upper - 0.02],
      [m.mouth * 0.75, upper],
      [-cheek[0] * 0.82, mix(cheek[1], upper, 0.5)],
    ];
    return [solid(smoothLoop([...outer, ...inner].map(head)), m.beard, "inside")];
  }

  function fringe(): Shape[] {
    const width = m.halfWidth + mix(0.07, 0.15, who.hairLength);
    const side = mix(-0.2, 0.5, who.hairLength);
    const top = superellipse([0, side], width, 1.19 + side, 2.3, 32).filter(([, w]) => w <= side + 1e-9);
    // The list starts at the right ear's height and runs clockwise below: order the upper arc from left to right.
    const arc = [...top].sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    const hairline = mix(-0.62, -0.42, who.hairLength);
    const under: Point[] = [
      arc[arc.length - 1]!,
      [m.halfWidth * 0.84, mix(side, hairline, 0.7)],
      [m.halfWidth * 0.45, hairline - 0.06],
      [-m.halfWidth * 0.15, hairline - 0.16],
      [-m.halfWidth * 0.6, hairline + 0.04],
      [-m.halfWidth * 0.86, mix(side, hairline, 0.6)],
      arc[0]!,
    ];
    // The doubled points at the temples are corners.
    return [solid(smoothLine([...arc, ...under].map(head), [head(arc[0]!)]), m.hair, "inside")];
  }

  function eye(side: 1 | -1): Shape[] {
    const centre: Point = [side * m.eyeAt, -0.06];
    const ring = (rx: number, ry: number, at: Point = centre) => loop(superellipse(at, rx, ry, 2, 10));
    return [
      {
        ...solid(ring(m.eye, m.eye * 0.8), rgb255(250, 250, 250), "unchanged"),
        stroke: { colour: darken(m.skin, 0.35), width: 0.035 * how.scale },
      },
      detail(ring(m.eye * 0.62, m.eye * 0.7), m.iris),
      detail(ring(m.eye * 0.3, m.eye * 0.32), rgb255(15, 12, 18)),
      detail(ring(m.eye * 0.13, m.eye * 0.13, [centre[0] + m.eye * 0.2, centre[1] - m.eye * 0.25]), rgb255(255, 255, 255)),
    ];
  }

  function brow(side: 1 | -1): Shape[] {
    const height = -0.06 - m.eye * 0.8 - 0.07 - m.brow / 2;
    const [inner, outer] = [m.eyeAt - m.eye * 0.95, m.eyeAt + m.eye * 1.1];
    const points: Point[] = [
      [side * inner, height + m.browSlope],
      [side * mix(inner, outer, 0.55), height - 0.03],
      [side * outer, height - m.browSlope * 0.8],
    ];
    return [line(points, darken(m.hair, 0.55), m.brow)];
  }

  function nose(): Shape[] {
    const tip: Point[] = [
      [0, -0.02],
      [m.nose * 0.55, 0.16],
      [m.nose, 0.28],
      [m.nose * 0.5, 0.34],
      [-m.nose * 0.5, 0.34],
      [-m.nose, 0.28],
      [-m.nose * 0.55, 0.16],
    ];
    return [detail(loop(tip), darken(m.skin, 0.76))];
  }

  function mouth(): Shape[] {
    const at = 0.58;
    const half = m.mouth;
    switch (how.expression) {
      case "serious":
        return [
          detail(loop(superellipse([0, at], half * 0.8, 0.085, 2, 12)), m.lips),
          line(
            [
              [-half * 0.8, at + 0.02],
              [0, at],
              [half * 0.8, at + 0.02],
            ],
            darken(m.lips, 0.45),
            0.035,
          ),
        ];
      case "smiling": {
        const crescent: Point[] = [
          [-half, at - 0.12],
          [-half * 0.5, at + 0.0],
          [0, at + 0.03],
          [half * 0.5, at + 0.0],
          [half, at - 0.12],
          [half * 0.62, at + 0.11],
          [0, at + 0.18],
          [-half * 0.62, at + 0.11],
        ];
        return [detail(loop(crescent), m.lips), line(crescent.slice(0, 5), darken(m.lips, 0.45), 0.04)];
      }
      case "laughing": {
        const open = (grow: number): Point[] => [
          [-half * grow, at - 0.1 * grow],
          [0, at - 0.06 * grow],
          [half * grow, at - 0.1 * grow],
          [half * 0.72 * grow, at + 0.14 * grow],
          [0, at + 0.24 * grow],
          [-half * 0.72 * grow, at + 0.14 * grow],
        ];
        const teeth: Point[] = [
          [-half * 0.8, at - 0.07],
          [0, at - 0.04],
          [half * 0.8, at - 0.07],
          [half * 0.6, at + 0.03],
          [0, at + 0.07],
          [-half * 0.6, at + 0.03],
        ];
        return [detail(loop(open(1.15)), m.lips), detail(loop(open(0.9)), rgb255(60, 8, 14)), detail(loop(teeth), rgb255(250, 250, 245))];
      }
      default:
        return how.expression satisfies never;
    }
  }

  function glasses(): Shape[] {
    const lens = (side: 1 | -1) =>
      solid(loop(superellipse([side * m.eyeAt, -0.03], m.halfWidth * 0.36, 0.24, 3, 16)), rgb255(20, 20, 26), "unchanged", {
        stroke: { colour: rgb255(8, 8, 10), width: 0.05 * how.scale },
      });
    return [
      line(
        [
          [-m.halfWidth, -0.1],
          [0, -0.14],
          [m.halfWidth, -0.1],
        ],
        rgb255(8, 8, 10),
        0.07,
      ),
      lens(-1),
      lens(1),
    ];
  }

  function hat(colour: Rgb): Shape[] {
    const width = m.halfWidth + 0.2;
    const crown = superellipse([0, -0.56], width, 0.92, 2.5, 32).filter(([, w]) => w <= -0.56 + 1e-9);
    const arc = [...crown].sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    const strip: Point[] = [
      [-width, -0.56],
      [-width * 0.985, -0.8],
      [0, -0.84],
      [width * 0.985, -0.8],
      [width, -0.56],
    ];
    const unlit = { lit: false };
    return [
      solid(smoothLine(arc.map(head), [head(arc[0]!)]), colour, "outside", unlit),
      { ...detail(polygon(strip.map(head)), darken(colour, 0.5)), lit: false },
      solid(loop(superellipse([0, -0.54], width + 0.3, 0.11, 2.5, 16)), darken(colour, 0.85), "outside", unlit),
    ];
  }
}
