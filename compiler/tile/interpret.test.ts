import { describe, expect, test } from "vitest";
import { Draws, philox4x32 } from "../plan/philox.ts";
import { Ranges } from "./bounds.ts";
import * as b from "./build.ts";
import { type Contents, interpretKernel } from "./interpret.ts";
import { elementwise, invocation, kernelOf, paddedBox, reads, roomy, sharedRowSum, subgroupMatmul, writes } from "./kernels.testing.ts";
import { expressionText } from "./print.ts";
import { type Leaves, randomContents, randomExpr, randomGuard, randomKernel } from "./random.testing.ts";
import type { TileExpr, TileKernel } from "./tile.ts";
import { verifyKernel } from "./verify.ts";

const run = (kernel: TileKernel, contents: Readonly<Record<string, Contents>>, uniforms?: Uint32Array): void =>
  interpretKernel(kernel, new Map(Object.entries(contents)), uniforms);
const ramp = (length: number, f: (i: number) => number): Float32Array => Float32Array.from({ length }, (_, i) => f(i));

describe("kernels against loops by hand", () => {
  test("elementwise over a guarded grid", () => {
    const x = ramp(100, (i) => i / 8 - 5);
    const y = new Float32Array(100);
    run(
      elementwise(100, (e) => b.add(b.mul(e, e), b.f32(0.5))),
      { x, y },
    );
    expect([...y]).toEqual([...x].map((v) => v * v + 0.5));
  });

  test("matrix product by subgroups", () => {
    const [m, k, n] = [8, 12, 32];
    const a = ramp(m * k, (i) => (i % 7) - 3);
    const w = ramp(k * n, (i) => (i % 5) - 2);
    const c = new Float32Array(m * n);
    run(subgroupMatmul(m, k, n, 4, 4), { a, w, c });
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let q = 0; q < k; q++) sum += a[i * k + q]! * w[q * n + j]!;
        expect(c[i * n + j]).toBe(sum);
      }
    }
  });

  test("row sums through workgroup memory", () => {
    const x = ramp(3 * 50, (i) => i % 11);
    const y = new Float32Array(3);
    run(sharedRowSum(3, 50, 16), { x, y });
    expect([...y]).toEqual([0, 1, 2].map((r) => x.slice(r * 50, r * 50 + 50).reduce((s, v) => s + v, 0)));
  });

  test("3x3 sums with a border of zeros", () => {
    const [h, w] = [5, 7];
    const x = ramp(h * w, (i) => i);
    const y = new Float32Array(h * w);
    run(paddedBox(h, w), { x, y });
    const at = (r: number, c: number): number => (r >= 0 && r < h && c >= 0 && c < w ? x[r * w + c]! : 0);
    for (let i = 0; i < h * w; i++) {
      let sum = 0;
      for (let t = 0; t < 9; t++) sum += at(Math.floor(i / w) + Math.floor(t / 3) - 1, (i % w) + (t % 3) - 1);
      expect(y[i]).toBe(sum);
    }
  });

  test("branches, loops per lane, uniforms, bools and random words", () => {
    const [p, y] = [reads("p", 4, "bool"), writes("y", 4, "i32")];
    const words = writes("words", 4, "u32");
    const kernel = kernelOf(
      [p, y, words],
      (k) => {
        const n = k.var("n", b.i32(0));
        k.for("i", 0, b.lane(), 1, (i, body) => body.assign(n, b.add(n, i)));
        k.if(
          b.load(p, b.lane()),
          (t) => t.assign(n, b.add(n, b.uniform(1, "i32"))),
          (t) => t.assign(n, b.neg(n)),
        );
        k.store(y, b.lane(), n);
        k.store(words, b.lane(), b.philox(7, 8, 6, b.cast(b.lane(), "u32"), b.u32(5)));
      },
      { usesUniforms: true },
    );
    expect(verifyKernel(kernel, roomy)).toEqual([]);
    const [yValues, wordValues] = [new Int32Array(4), new Uint32Array(4)];
    run(kernel, { p: Uint32Array.of(1, 0, 7, 0), y: yValues, words: wordValues }, Uint32Array.of(0, 0xffffff9c));
    expect([...yValues]).toEqual([-100, 0, 1 - 100, -3]);
    expect([...wordValues]).toEqual([0, 1, 2, 3].map((lane) => philox4x32(7, 8, lane, 5, 1, 0)[2]));
  });

  test("f32 is rounded after each operation", () => {
    const y = writes("y", 4);
    const values = new Float32Array(4);
    const third = b.div(b.uniform(0, "f32"), b.f32(3));
    run(
      kernelOf([y], (k) => k.store(y, b.lane(), b.sub(b.mul(third, b.f32(3)), b.uniform(0, "f32"))), { usesUniforms: true }),
      { y: values },
      new Uint32Array(Float32Array.of(7).buffer),
    );
    expect(values[0]).toBe(Math.fround(Math.fround(Math.fround(7 / 3) * 3) - 7));
  });
});

describe("faults", () => {
  const y = writes("y", 4);
  const values = (): Float32Array => new Float32Array(4);
  const part = { name: "part", type: b.typeOf("f32"), length: 4 } as const;
  test.each<[string, TileKernel, string]>([
    [
      "a store beyond the end",
      kernelOf([y], (k) => k.store(y, b.add(b.lane(), 1), b.f32(1))),
      "y[lane + 1] is 4 of length 4 in lane 3 of workgroup 0,0,0",
    ],
    ["a load before the start", kernelOf([y], (k) => k.let("v", b.load(y, b.sub(b.lane(), 1)))), "is -1 of length 4 in lane 0"],
    ["two lanes storing to one element", kernelOf([y], (k) => k.store(y, 0, b.f32(1))), "element 0 of y is written by 1 and by 0"],
    [
      "two workgroups storing to one element",
      kernelOf([y], (k) => k.store(y, b.lane(), b.f32(1)), { grid: [2, 1, 1] }),
      "element 0 of y is written by 4 and by 0",
    ],
    [
      "a missing barrier",
      kernelOf([y], (k) => [k.storeShared(part, b.lane(), b.f32(1)), k.store(y, b.lane(), b.loadShared(part, b.sub(3, b.lane())))], {
        shared: [part],
      }),
      "element 3 of part is read by 0 and written by 3",
    ],
    [
      "a barrier that only some reach",
      kernelOf([y], (k) => k.if(b.lt(b.lane(), 2), (t) => t.barrier())),
      "a barrier that only some lanes reach",
    ],
    [
      "division by zero",
      kernelOf([writes("y", 4, "i32")], (k) => k.store(writes("y", 4, "i32"), b.lane(), b.idiv(b.i32(1), b.lane()))),
      "division by zero",
    ],
  ])("%s", (_, kernel, message) => {
    const y = kernel.buffers[0]!.type.scalar === "i32" ? new Int32Array(4) : values();
    expect(() => run(kernel, { y })).toThrow(message);
  });

  test("a barrier orders workgroup memory", () => {
    const held = values();
    const kernel = kernelOf(
      [y],
      (k) => [
        k.storeShared(part, b.lane(), b.cast(b.lane(), "f32")),
        k.barrier(),
        k.store(y, b.lane(), b.loadShared(part, b.sub(3, b.lane()))),
      ],
      { shared: [part] },
    );
    run(kernel, { y: held });
    expect([...held]).toEqual([3, 2, 1, 0]);
  });
});

describe("random kernels", () => {
  test("are well typed and in bounds, and the interpreter runs them", () => {
    for (let seed = 0; seed < 200; seed++) {
      const draws = new Draws(seed, "random kernels");
      const kernel = randomKernel(draws, seed % 2 === 0 ? 1 : 4);
      expect({ seed, problems: verifyKernel(kernel, roomy) }).toEqual({ seed, problems: [] });
      interpretKernel(kernel, randomContents(draws));
    }
  });

  test("keep every integer within the interval that bounds.ts derives", () => {
    const [out, taken] = [writes("out", 64, "i32"), writes("taken", 64, "bool")];
    for (let seed = 0; seed < 1500; seed++) {
      const draws = new Draws(seed, "intervals");
      const leaves: Leaves = {
        f32: [],
        i32: [b.lane(), b.group(0), invocation(4), b.ref("i", b.typeOf("i32")), b.ref("m", b.typeOf("i32"))],
        u32: [],
        bool: [],
      };
      const m = randomExpr(draws, "i32", 1, 2, { ...leaves, i32: leaves.i32.slice(0, 4) });
      const guard = randomGuard(draws, draws.integer(3), leaves);
      const value = randomExpr(draws, "i32", 1, draws.integer(4), leaves);
      const body = [
        b.forStmt("i", b.lane(), 8, 3, [
          b.letStmt("m", m),
          b.ifStmt(guard, [b.store(out, invocation(4), value), b.store(taken, invocation(4), b.bool(true))]),
        ]),
      ];
      const kernel = kernelOf([out, taken], () => undefined, { body, grid: [16, 1, 1] });
      const outside = Ranges.of(kernel);
      const inside = outside.bindLoop("i", b.lane(), b.i32(8), 3);
      inside.bindLet("m", m);
      const range = inside.assuming(guard, true).range(value);
      const contents = new Map<string, Contents>([
        ["out", new Int32Array(64)],
        ["taken", new Uint32Array(64)],
      ]);
      interpretKernel(kernel, contents);
      const flags = contents.get("taken")!;
      for (const [i, found] of contents.get("out")!.entries()) {
        if (flags[i] === 0) continue;
        const holds = range.low <= found && found <= range.high && (range.step === 0 || (found - range.low) % range.step === 0);
        const texts: readonly TileExpr[] = [guard, value, m];
        if (!holds) throw new Error(`seed ${seed}: ${found} is not in ${JSON.stringify(range)}: ${texts.map(expressionText).join(" | ")}`);
      }
    }
  });
});
