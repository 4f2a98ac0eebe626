import { describe, expect, test } from "vitest";
import * as b from "../tile/build.ts";
import { elementwise, invocation, kernelOf, reads, sharedRowSum, subgroupMatmul, writes } from "../tile/kernels.testing.ts";
import { printTileKernel } from "../tile/print.ts";
import type { TileExpr, TileKernel } from "../tile/tile.ts";
import { literalText } from "./literal.ts";
import { Identifiers } from "./names.ts";
import { printKernel } from "./print.ts";

describe("a whole kernel", () => {
  test("elementwise, guarded", () => {
    const kernel = elementwise(100, (x) => b.mul(b.erf(x), b.f32(0.1)));
    expect(printTileKernel(kernel)).toMatchInlineSnapshot(`
      "kernel "elementwise" grid 4x1x1, workgroup 8
        read x: f32x4[25]
        readWrite y: f32x4[25]
      do
        let i = (group.x * 8) + lane
        if i < 25
          y[i] = erf(x[i]) * splat(0.10000000149011612f)
      "
    `);
    const { wgsl, bindings, features } = printKernel(kernel);
    expect({ bindings, features }).toEqual({ bindings: ["read", "readWrite"], features: [] });
    expect(wgsl.replace(/fn erf4[^}]*}\n/, "fn erf4 ...\n")).toMatchInlineSnapshot(`
      "@group(0) @binding(0) var<storage, read> x: array<vec4f>;
      @group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

      fn erf4 ...

      @compute @workgroup_size(8)
      fn main(@builtin(local_invocation_index) laneIndex: u32, @builtin(workgroup_id) groupIndex: vec3u) {
        let lane = i32(laneIndex);
        let group = vec3i(groupIndex);
        let i = (group.x * 8) + lane;
        if (i < 25) {
          y[i] = erf4(x[i]) * vec4f(0.1);
        }
      }
      "
    `);
  });

  test("subgroups", () => {
    const { wgsl, features } = printKernel(subgroupMatmul(2, 8, 32, 4, 2));
    expect(features).toEqual(["subgroups"]);
    expect(wgsl).toMatchInlineSnapshot(`
      "enable subgroups;

      @group(0) @binding(0) var<storage, read> a: array<vec4f>;
      @group(0) @binding(1) var<storage, read> w: array<vec4f>;
      @group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

      @compute @workgroup_size(4)
      fn main(@builtin(local_invocation_index) laneIndex: u32, @builtin(workgroup_id) groupIndex: vec3u) {
        let lane = i32(laneIndex);
        let group = vec3i(groupIndex);
        let row = group.y * 2;
        let column = (group.x * 4) + lane;
        var sum0 = vec4f(0.0);
        var sum1 = vec4f(0.0);
        for (var at = 0; at < 8; at += 4) {
          let held = a[((row + (lane & 1)) * 2) + (at >> 2u)];
          let weights = w[(at * 8) + column];
          sum0 = fma(vec4f(subgroupBroadcast(held.x, 0u)), weights, sum0);
          sum1 = fma(vec4f(subgroupBroadcast(held.x, 1u)), weights, sum1);
          let weights_1 = w[((at + 1) * 8) + column];
          sum0 = fma(vec4f(subgroupBroadcast(held.y, 0u)), weights_1, sum0);
          sum1 = fma(vec4f(subgroupBroadcast(held.y, 1u)), weights_1, sum1);
          let weights_2 = w[((at + 2) * 8) + column];
          sum0 = fma(vec4f(subgroupBroadcast(held.z, 0u)), weights_2, sum0);
          sum1 = fma(vec4f(subgroupBroadcast(held.z, 1u)), weights_2, sum1);
          let weights_3 = w[((at + 3) * 8) + column];
          sum0 = fma(vec4f(subgroupBroadcast(held.w, 0u)), weights_3, sum0);
          sum1 = fma(vec4f(subgroupBroadcast(held.w, 1u)), weights_3, sum1);
        }
        c[(row * 8) + column] = sum0;
        c[((row + 1) * 8) + column] = sum1;
      }
      "
    `);
  });

  test("workgroup memory", () => {
    expect(printKernel(sharedRowSum(3, 50, 4)).wgsl).toMatchInlineSnapshot(`
      "@group(0) @binding(0) var<storage, read> x: array<f32>;
      @group(0) @binding(1) var<storage, read_write> y: array<f32>;
      var<workgroup> part: array<f32, 4>;

      @compute @workgroup_size(4)
      fn main(@builtin(local_invocation_index) laneIndex: u32, @builtin(workgroup_id) groupIndex: vec3u) {
        let lane = i32(laneIndex);
        let group = vec3i(groupIndex);
        var sum = 0.0;
        for (var j = lane; j < 50; j += 4) {
          sum = sum + x[(group.x * 50) + j];
        }
        part[lane] = sum;
        workgroupBarrier();
        if (lane < 2) {
          part[lane] = part[lane] + part[lane + 2];
        }
        workgroupBarrier();
        if (lane < 1) {
          part[lane] = part[lane] + part[lane + 1];
        }
        if (lane == 0) {
          y[group.x] = part[0];
        }
      }
      "
    `);
  });

  test("16-bit floats, native and packed", () => {
    const text = (half: "native" | "packed"): readonly string[] => {
      const [x, v, y] = [
        { ...reads("x", 9), half },
        { ...reads("v", 8, "f32", 4), half },
        { ...writes("y", 8, "f32", 4), half },
      ];
      const kernel = kernelOf([x, v, y], (k) => k.store(y, b.lane(), b.add(b.load(v, b.lane()), b.splat(b.load(x, b.lane())))));
      const { wgsl, features } = printKernel(kernel);
      return [...features, ...wgsl.split("\n").filter((line) => /^enable|binding|^ {2}y\[/.test(line))];
    };
    expect(text("native")).toEqual([
      "shader-f16",
      "enable f16;",
      "@group(0) @binding(0) var<storage, read> x: array<f16>;",
      "@group(0) @binding(1) var<storage, read> v: array<vec4<f16>>;",
      "@group(0) @binding(2) var<storage, read_write> y: array<vec4<f16>>;",
      "  y[lane] = vec4<f16>(vec4f(v[lane]) + vec4f(f32(x[lane])));",
    ]);
    expect(text("packed")).toEqual([
      "@group(0) @binding(0) var<storage, read> x: array<u32>;",
      "@group(0) @binding(1) var<storage, read> v: array<vec2u>;",
      "@group(0) @binding(2) var<storage, read_write> y: array<vec2u>;",
      "  y[lane] = packHalves(unpackHalves(v[lane]) + vec4f(unpack2x16float(x[lane >> 1u])[lane & 1]));",
    ]);
  });

  test("textures, bools, uniforms and random words", () => {
    const x = { ...reads("x", 16, "f32", 4), storage: "texture" as const };
    const keep = writes("keep", 16, "bool");
    const write = (k: b.Block): void => {
      const word = b.philox(1, 0xffffffff, 5, b.cast(b.lane(), "u32"), b.uniform(5, "u32"));
      k.store(
        keep,
        b.lane(),
        b.and(b.load(keep, b.lane()), b.lt(b.cast(word, "f32"), b.mul(b.part(b.load(x, b.lane()), 3), b.uniform(2, "f32")))),
      );
    };
    const { wgsl, bindings } = printKernel(kernelOf([x, keep], write, { usesUniforms: true }));
    expect(bindings).toEqual(["texture", "readWrite", "uniform"]);
    expect(wgsl.replace(/fn multiplyHigh[\s\S]*return x;\n}\n/, "fn philox ...\n")).toMatchInlineSnapshot(`
      "@group(0) @binding(0) var x: texture_storage_2d<rgba32float, read>;
      @group(0) @binding(1) var<storage, read_write> keep: array<u32>;
      @group(0) @binding(2) var<uniform> u: array<vec4u, 2>;

      fn x_load(i: i32) -> vec4f {
        return textureLoad(x, vec2i(i & 2047, i >> 11u));
      }

      fn philox ...

      @compute @workgroup_size(4)
      fn main(@builtin(local_invocation_index) laneIndex: u32) {
        let lane = i32(laneIndex);
        keep[lane] = u32((keep[lane] != 0u) & (f32(philox(vec2u(1u, 4294967295u), vec4u(u32(lane), u[1].y, 1u, 0u)).y) < (x_load(lane).w * bitcast<f32>(u[0].z))));
      }
      "
    `);
  });
});

/** What one expression over the lane prints as. */
function textOf(value: TileExpr, rest: Partial<TileKernel> = {}): string {
  const y = writes("y", 4, value.type.scalar, value.type.width);
  const { wgsl } = printKernel(kernelOf([y], (k) => k.store(y, 0, value), rest));
  return /y\[0\] = (.*);/.exec(wgsl)![1]!;
}

describe("expressions", () => {
  const lane = b.lane();
  const below = b.sub(lane, 2);
  const x = b.cast(lane, "f32");
  test.each<[string, TileExpr, string]>([
    ["division of what is not negative", b.idiv(lane, 3), "lane / 3"],
    ["remainder of what is not negative", b.imod(lane, 3), "lane % 3"],
    ["division of what may be negative", b.idiv(below, 3), "floorDivideBy(lane - 2, 3)"],
    ["remainder of what may be negative", b.imod(below, 3), "floorRemainderBy(lane - 2, 3)"],
    ["division by what may be negative", b.idiv(lane, b.i32(-3)), "floorDivide(lane, -3)"],
    ["division by a power of two, any sign", b.idiv(below, 4), "(lane - 2) >> 2u"],
    ["remainder of a power of two, any sign", b.imod(below, 4), "(lane - 2) & 3"],
    ["nested operations keep their brackets", b.mul(b.add(lane, 1), b.sub(lane, 1)), "(lane + 1) * (lane - 1)"],
    ["two brackets are not one", b.add(b.mul(lane, lane), b.mul(lane, 2)), "(lane * lane) + (lane * 2)"],
    ["minus a minus", b.neg(b.sub(b.neg(lane), 1)), "-((-lane) - 1)"],
    ["select has its arms the other way round", b.select(b.lt(lane, 2), b.f32(1), b.f32(0)), "select(0.0, 1.0, lane < 2)"],
    ["no constant infinity", b.max(x, b.f32(Number.NEGATIVE_INFINITY)), "max(f32(lane), -infinity())"],
    ["small whole exponents", b.pow(x, 3), "power_3(f32(lane))"],
    ["roots", b.pow(x, 0.5), "sqrt(f32(lane))"],
    ["other exponents", b.pow(x, 2.5), "power(f32(lane), 2.5)"],
    ["vectors", b.mul(b.splat(x), b.f32(2)), "vec4f(f32(lane)) * vec4f(2.0)"],
    ["shifts count in u32", b.shl(lane, lane), "lane << u32(lane)"],
    ["unlike bools", b.xor(b.lt(lane, 1), b.lt(lane, 2)), "u32((lane < 1) != (lane < 2))"],
  ])("%s", (_, value, text) => {
    expect(textOf(value)).toBe(text);
  });

  test("an operation on literals is computed: WGSL refuses those that overflow", () => {
    const huge: TileExpr = { kind: "binary", op: "mul", type: b.typeOf("f32"), left: b.f32(1e38), right: b.f32(1e38) };
    expect(textOf(huge)).toBe("infinity()");
  });

  test("facts of the enclosing condition count", () => {
    const y = writes("y", 4, "i32");
    const kernel = kernelOf([y], (k) => k.if(b.le(2, b.lane()), (t) => t.store(y, b.lane(), b.idiv(below, 3))));
    expect(printKernel(kernel).wgsl).toContain("y[lane] = (lane - 2) / 3;");
  });
});

test("kernels that differ only in their name print the same text", () => {
  const kernel = elementwise(100, (x) => x);
  expect(printKernel({ ...kernel, name: "another" }).wgsl).toBe(printKernel(kernel).wgsl);
});

test("printed uniforms are no longer than what is read", () => {
  const uniformsOf = (index: number): string =>
    /var<uniform> u: .*/.exec(
      printKernel(kernelOf([writes("y", 4)], (k) => k.store(writes("y", 4), b.lane(), b.uniform(index, "f32")), { usesUniforms: true }))
        .wgsl,
    )![0];
  expect(uniformsOf(3)).toBe("var<uniform> u: array<vec4u, 1>;");
  expect(uniformsOf(4)).toBe("var<uniform> u: array<vec4u, 2>;");
});

test("literals are exact and short", () => {
  const texts = [0.1, 1, -2.5, 1e-7, 16777216, 3.4028234663852886e38, -0].map((v) => literalText(Math.fround(v), "f32"));
  expect(texts).toEqual(["0.1", "1.0", "(-2.5)", "1e-7", "16777216.0", "3.4028234663852886e+38", "(-0.0)"]);
  for (let i = 0; i < 2000; i++) {
    const value = new Float32Array(Uint32Array.of(Math.imul(i, 0x9e3779b1) & 0x7f7fffff).buffer)[0]!;
    expect(Math.fround(Number(literalText(value, "f32")))).toBe(value);
  }
});

test("names become identifiers, each its own", () => {
  const names = new Identifiers(["erf"]);
  expect(["x", "x y", "x_y", "for", "erf", "2nd", "_", "größe", "x"].map((n) => names.of(n))).toEqual([
    "x",
    "x_y",
    "x_y_1",
    "for_1",
    "erf_1",
    "v2nd",
    "v_",
    "gr__e",
    "x",
  ]);
});

test("a loop over the grid keeps its invocation readable", () => {
  expect(textOf(invocation(64))).toBe("(group.x * 64) + lane");
});
