// What a picture is made of: filled outlines in drawing order. One list of shapes prints as the picture and as its mask, so the two cannot
// disagree. In: points in picture coordinates ([-1,1]^2, y down). Out: SVG elements in thousandths of half a picture.

/** Red, green, blue in [0,1]. */
export type Rgb = readonly [number, number, number];
export type Point = readonly [number, number];

export interface Shape {
  readonly path: string;
  readonly fill?: Rgb;
  /** Width in half pictures. */
  readonly stroke?: { readonly colour: Rgb; readonly width: number };
  readonly opacity?: number;
  /** Lit shapes are multiplied by the light: head and clothes, not the scene and not the hat. */
  readonly lit: boolean;
  /** Whether the mask gains this shape, loses it, or does not change (a shape on top of one that says it). */
  readonly mask: "inside" | "outside" | "unchanged";
}

/** Light falls in from one side: the factor is brightness * (1 + gradient * x). */
export interface Light {
  readonly brightness: number;
  readonly gradient: number;
}

/** Hue in turns, saturation and value in [0,1]. */
export function hsv(hue: number, saturation: number, value: number): Rgb {
  const channel = (n: number) => {
    const k = (((n + hue * 6) % 6) + 6) % 6;
    return value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1));
  };
  return [channel(5), channel(3), channel(1)];
}

export function rgb255(r: number, g: number, b: number): Rgb {
  return [r / 255, g / 255, b / 255];
}

/** `t` of the way from `a` to `b`. */
export function blend(a: Rgb, b: Rgb, t: number): Rgb {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

export function darken(colour: Rgb, factor: number): Rgb {
  return [colour[0] * factor, colour[1] * factor, colour[2] * factor];
}

// One decimal of a thousandth is a twentieth of a pixel at 1024: below what anti-aliasing shows, and the text stays short.
const unit = (x: number) => String(Math.round(x * 10_000) / 10);
const pair = (p: Point) => `${unit(p[0])} ${unit(p[1])}`;

/** Straight edges through the points; closed unless said. */
export function polygon(points: readonly Point[], closed = true): string {
  return `M${points.map(pair).join("L")}${closed ? "Z" : ""}`;
}

/** A smooth closed curve through the points (Catmull-Rom as cubic Béziers). */
export function smoothLoop(points: readonly Point[]): string {
  const at = (i: number) => points[(i + points.length) % points.length]!;
  return `M${pair(at(0))}${points.map((_, i) => segment(at(i - 1), at(i), at(i + 1), at(i + 2))).join("")}Z`;
}

/** A smooth open curve through the points; `closed` adds straight edges through `closed` back to the start. */
export function smoothLine(points: readonly Point[], closed: readonly Point[] = []): string {
  const at = (i: number) => points[Math.max(0, Math.min(points.length - 1, i))]!;
  const curve = points.slice(1).map((_, i) => segment(at(i - 1), at(i), at(i + 1), at(i + 2)));
  return `M${pair(at(0))}${curve.join("")}${closed.map((p) => `L${pair(p)}`).join("")}${closed.length > 0 ? "Z" : ""}`;
}

function segment(before: Point, from: Point, to: Point, after: Point): string {
  const one: Point = [from[0] + (to[0] - before[0]) / 6, from[1] + (to[1] - before[1]) / 6];
  const two: Point = [to[0] - (after[0] - from[0]) / 6, to[1] - (after[1] - from[1]) / 6];
  return `C${pair(one)} ${pair(two)} ${pair(to)}`;
}

/** Points of |x/rx|^n + |y/ry|^n = 1 about a centre; n = 2 is an ellipse. */
export function superellipse(centre: Point, rx: number, ry: number, exponent = 2, count = 16): Point[] {
  return Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    const power = (x: number) => Math.sign(x) * Math.abs(x) ** (2 / exponent);
    return [centre[0] + rx * power(Math.cos(angle)), centre[1] + ry * power(Math.sin(angle))];
  });
}

function hex(colour: Rgb): string {
  const byte = (x: number) =>
    Math.round(Math.max(0, Math.min(1, x)) * 255)
      .toString(16)
      .padStart(2, "0");
  return `#${byte(colour[0])}${byte(colour[1])}${byte(colour[2])}`;
}

/** The elements of a picture. */
export function printPicture(shapes: readonly Shape[], light: Light): string {
  const gradients = new Map<string, string>();
  const paint = (colour: Rgb, lit: boolean): string => {
    if (!lit) return hex(colour);
    // A linear gradient of the product IS the product with a linear light, exactly, as long as nothing is clipped.
    const left = hex(darken(colour, light.brightness * (1 - light.gradient)));
    const right = hex(darken(colour, light.brightness * (1 + light.gradient)));
    const stops = `<stop stop-color="${left}"/><stop offset="1" stop-color="${right}"/>`;
    const name = `light${gradients.size}`;
    const known = gradients.get(stops);
    if (known === undefined) gradients.set(stops, name);
    return `url(#${known ?? name})`;
  };
  const elements = shapes.map((s) => {
    const fill = s.fill === undefined ? "none" : paint(s.fill, s.lit);
    const stroke = s.stroke === undefined ? "" : ` stroke="${paint(s.stroke.colour, s.lit)}" stroke-width="${unit(s.stroke.width)}"`;
    const opacity = s.opacity === undefined ? "" : ` opacity="${s.opacity}"`;
    return `<path d="${s.path}" fill="${fill}"${stroke}${opacity}/>`;
  });
  const definitions = [...gradients].map(
    ([stops, name]) =>
      `<linearGradient id="${name}" gradientUnits="userSpaceOnUse" x1="-1000" x2="1000" y1="0" y2="0">${stops}</linearGradient>`,
  );
  return `${definitions.join("")}<g stroke-linecap="round" stroke-linejoin="round">${elements.join("")}</g>`;
}

/** The elements of the mask: white where the subject is, black elsewhere. */
export function printMask(shapes: readonly Shape[]): string {
  const elements = shapes.flatMap((s) => {
    if (s.mask === "unchanged") return [];
    const ink = s.mask === "inside" ? "#fff" : "#000";
    return [`<path d="${s.path}" fill="${s.fill === undefined ? "none" : ink}"/>`];
  });
  return `<rect x="-1000" y="-1000" width="2000" height="2000" fill="#000"/>${elements.join("")}`;
}
