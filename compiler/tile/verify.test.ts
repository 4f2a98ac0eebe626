import { describe, expect, test } from "vitest";
import * as b from "./build.ts";
import { elementwise, invocation, kernelOf, paddedBox, reads, roomy, sharedRowSum, subgroupMatmul, writes } from "./kernels.testing.ts";
import type { TileExpr, TileKernel } from "./tile.ts";
import { verifyKernel } from "./verify.ts";

const problemsOf = (kernel: TileKernel): readonly string[] => verifyKernel(kernel, roomy).map((p) => p.message);

describe("accepts", () => {
  test.each([
    ["a guarded grid", elementwise(100, (x) => x)],
    ["subgroup tiles", subgroupMatmul(8, 16, 32, 4, 4)],
    ["workgroup memory", sharedRowSum(3, 50, 16)],
    ["padding by select", paddedBox(5, 7)],
  ])("%s", (_, kernel) => {
    expect(problemsOf(kernel)).toEqual([]);
  });
});

/** A kernel that stores to one element of y[100], with i from 0 to 127. */
const storing = (index: (i: TileExpr) => TileExpr, guard?: (i: TileExpr) => TileExpr): TileKernel => {
  const y = writes("y", 100);
  const write = (k: b.Block): void => {
    const i = k.let("i", invocation(4));
    if (guard === undefined) k.store(y, index(i), b.f32(1));
    else k.if(guard(i), (t) => t.store(y, index(i), b.f32(1)));
  };
  return kernelOf([y], write, { grid: [32, 1, 1] });
};

describe("proves indices", () => {
  const g = b.group(0);
  test.each<[string, (i: TileExpr) => TileExpr, ((i: TileExpr) => TileExpr)?]>([
    ["below a guard", (i) => i, (i) => b.lt(i, 100)],
    ["at most a guard", (i) => i, (i) => b.le(i, 99)],
    ["by a guard in a conjunction", (i) => i, (i) => b.and(b.lt(i, 100), b.le(5, i))],
    ["by the negation of a guard", (i) => i, (i) => b.not(b.le(100, i))],
    ["behind an offset", (i) => b.sub(i, 28), (i) => b.le(28, i)],
    ["by a guard on a shifted value", (i) => i, (i) => b.lt(b.add(i, 10), 110)],
    ["by a guard on a multiple", (i) => i, (i) => b.lt(b.mul(i, 3), 300)],
    ["by a guard on a quotient", (i) => i, (i) => b.lt(b.idiv(i, 10), 10)],
    ["by min and max", (i) => b.max(b.min(b.sub(i, 5), 99), 0)],
    ["by a remainder", (i) => b.imod(b.sub(i, 64), 100)],
    ["by a quotient", (i) => b.idiv(i, 2)],
    ["by select", (i) => b.select(b.lt(i, 100), i, b.i32(0))],
    ["by select both ways", (i) => b.select(b.lt(i, 100), i, b.sub(i, 100))],
    ["with steps: groups of 4 below a multiple of 4", () => b.add(b.mul(g, 4), 3), () => b.lt(b.mul(g, 4), 98)],
    ["above a guard that fails", (i) => b.sub(i, 100), (i) => b.not(b.lt(i, 100))],
    ["by mask", (i) => b.and(b.sub(i, 300), 63)],
    ["by shift", (i) => b.shr(i, 1)],
    ["by equality", (i) => i, (i) => b.eq(i, 7)],
    ["in both arms of a comparison", (i) => i, (i) => b.and(b.le(0, i), b.lt(i, b.min(b.add(i, 1000), 100)))],
  ])("%s", (_, index, guard) => {
    expect(problemsOf(storing(index, guard))).toEqual([]);
  });

  test.each<[string, (i: TileExpr) => TileExpr, ((i: TileExpr) => TileExpr)?]>([
    ["no guard", (i) => i],
    ["a guard one too wide", (i) => i, (i) => b.le(i, 100)],
    ["the wrong side", (i) => i, (i) => b.le(100, i)],
    ["above a guard that fails, one too far", (i) => b.sub(i, 101), (i) => b.not(b.lt(i, 100))],
    ["beyond a guarded quotient", (i) => b.add(i, 1), (i) => b.lt(b.idiv(i, 10), 10)],
    ["before a guarded quotient", (i) => b.sub(i, 41), (i) => b.le(4, b.idiv(i, 10))],
    ["before a guarded multiple", (i) => b.sub(b.min(i, 50), 3), (i) => b.le(8, b.mul(i, 4))],
    ["a guard on a multiple that wraps", (i) => i, (i) => b.lt(b.mul(i, 100000000), 100)],
    ["a guard on a sum that wraps", (i) => i, (i) => b.lt(b.add(i, 2147483600), 100)],
    ["a disjunction", (i) => i, (i) => b.or(b.lt(i, 100), b.lt(5, i))],
    ["negative", (i) => b.sub(b.min(i, 50), 1)],
    ["a product that wraps", (i) => b.min(b.mul(b.mul(i, 1000000), b.add(i, 1)), 99)],
    ["three over groups of 4", () => b.add(b.mul(g, 4), 4), () => b.lt(b.mul(g, 4), 98)],
    ["another expression's guard", (i) => i, (i) => b.lt(b.imod(i, 100), 100)],
  ])("refuses %s", (_, index, guard) => {
    expect(problemsOf(storing(index, guard)).join()).toContain("is not proven");
  });

  test("loaded indices must be clamped or checked", () => {
    const [x, at, y] = [reads("x", 10), reads("at", 4, "i32"), writes("y", 4)];
    const gather = (index: (n: TileExpr) => TileExpr): TileKernel =>
      kernelOf([x, at, y], (k) => k.store(y, b.lane(), b.load(x, index(k.let("n", b.load(at, b.lane()))))));
    expect(problemsOf(gather((n) => n)).join()).toContain("is not proven");
    expect(problemsOf(gather((n) => b.max(0, b.min(n, 9))))).toEqual([]);
    const checked = kernelOf([x, at, y], (k) => {
      const n = k.let("n", b.load(at, b.lane()));
      k.if(b.within(n, 0, 10), (t) => t.store(y, b.lane(), b.load(x, n)));
    });
    expect(problemsOf(checked)).toEqual([]);
  });

  test("a load inside a select is evaluated either way", () => {
    const [x, y] = [reads("x", 2), writes("y", 4)];
    const kernel = kernelOf([x, y], (k) => k.store(y, b.lane(), b.select(b.lt(b.lane(), 2), b.load(x, b.lane()), b.f32(0))));
    expect(problemsOf(kernel).join()).toContain("x[lane] is not proven: 0 to 3 of length 2");
  });

  test("a check of writable memory says nothing about its next reading", () => {
    const [at, y] = [writes("at", 4, "i32"), writes("y", 4)];
    const read = b.load(at, b.lane());
    const kernel = kernelOf([at, y], (k) => {
      k.if(b.within(read, 0, 4), (t) => t.store(y, read, b.f32(0)));
      k.store(at, b.lane(), b.i32(0));
    });
    expect(problemsOf(kernel).join()).toContain("is not proven");
  });

  test("a check of a variable says nothing after an assignment", () => {
    const y = writes("y", 4);
    const kernel = kernelOf([y], (k) => {
      const n = k.var("n", b.lane());
      k.if(b.within(n, 0, 4), (t) => {
        t.assign(n, b.add(n, 1));
        t.store(y, n, b.f32(0));
      });
    });
    expect(problemsOf(kernel).join()).toContain("is not proven");
  });

  test("another lane's value has not passed this lane's check", () => {
    const y = writes("y", 2);
    const index = b.select(b.lt(b.lane(), 2), b.fromLane(b.lane(), 3), b.i32(0));
    const kernel = kernelOf([y], (k) => k.store(y, index, b.f32(0)), { subgroupSize: 4 });
    expect(problemsOf(kernel).join()).toContain("is not proven: 0 to 3");
  });

  test("loops: strided, from a lane, and with an end that varies", () => {
    const y = writes("y", 30);
    const looping = (from: b.Index, to: b.Index, step: number, offset: number): TileKernel =>
      kernelOf([y], (k) => k.for("i", from, to, step, (i, body) => body.store(y, b.add(i, offset), b.f32(0))));
    expect(problemsOf(looping(0, 28, 4, 3))).toEqual([]);
    expect(problemsOf(looping(0, 29, 4, 3)).join()).toContain("is not proven: 3 to 31");
    expect(problemsOf(looping(b.mul(b.lane(), 2), 29, 8, 1))).toEqual([]);
    expect(problemsOf(looping(0, b.add(b.lane(), 27), 1, 0))).toEqual([]);
    expect(problemsOf(looping(0, b.add(b.lane(), 28), 1, 0)).join()).toContain("is not proven");
  });
});

describe("refuses", () => {
  const y = writes("y", 4);
  const x = reads("x", 4);
  const storeOne = (k: b.Block, value: TileExpr = b.f32(1)): void => k.store(y, b.lane(), value);
  const withBody = (body: TileKernel["body"], rest: Partial<TileKernel> = {}): TileKernel =>
    kernelOf([y], () => undefined, { body, ...rest });
  const stored = b.store(y, b.lane(), b.f32(1));

  test.each<[string, TileKernel, string]>([
    ["a name bound twice", withBody([b.letStmt("a", b.i32(1)), b.letStmt("a", b.i32(2)), stored]), "a is bound twice"],
    [
      "a name outside its block",
      withBody([b.ifStmt(b.lt(b.lane(), 2), [b.letStmt("a", b.f32(1))]), b.store(y, b.lane(), b.ref("a", b.typeOf("f32")))]),
      "a: f32 is not bound here",
    ],
    [
      "a reference of another type",
      withBody([b.letStmt("a", b.i32(1)), b.store(y, b.lane(), b.ref("a", b.typeOf("f32")))]),
      "a: f32 is i32",
    ],
    ["an assignment to a let", withBody([b.letStmt("a", b.f32(1)), b.assign("a", b.f32(2)), stored]), "assigned to let f32 a"],
    ["a store of another type", withBody([b.store(y, b.lane(), b.i32(1))]), "i32 stored to y of f32"],
    ["a store to a buffer that is read only", kernelOf([x, y], (k) => [k.store(x, b.lane(), b.f32(1)), storeOne(k)]), "read only"],
    ["a buffer that nobody uses", kernelOf([x, y], (k) => storeOne(k)), "x is bound but not used"],
    ["uniforms without saying so", kernelOf([y], (k) => storeOne(k, b.uniform(3, "f32"))), "usesUniforms is false"],
    [
      "subgroup operations without subgroups",
      kernelOf([y], (k) => storeOne(k, b.reduceLanes("add", b.cast(b.lane(), "f32")))),
      "in a kernel without subgroups",
    ],
    [
      "a lane that is not there",
      kernelOf([y], (k) => storeOne(k, b.fromLane(b.cast(b.lane(), "f32"), 4)), { subgroupSize: 4 }),
      "no lane 4",
    ],
    [
      "another subgroup size than the device's",
      kernelOf([y], (k) => storeOne(k), { subgroupSize: 8, workgroupSize: 8 }),
      "subgroups of 8 on a device with 4",
    ],
    ["half a subgroup", kernelOf([y], (k) => storeOne(k), { subgroupSize: 4, workgroupSize: 2 }), "not whole subgroups"],
    [
      "too large a workgroup",
      kernelOf([writes("y", 512)], (k) => k.store(writes("y", 512), b.lane(), b.f32(1)), { workgroupSize: 512 }),
      "workgroup size 512 of 256",
    ],
    ["too large a grid", kernelOf([y], (k) => storeOne(k), { grid: [65536, 1, 1] }), "grid 65536x1x1"],
    [
      "division by what may be zero",
      kernelOf([writes("n", 4, "i32")], (k) => k.store(writes("n", 4, "i32"), b.lane(), b.idiv(b.i32(7), b.lane()))),
      "which may be zero",
    ],
    [
      "a shift that may be too wide",
      kernelOf([writes("n", 4, "i32")], (k) => k.store(writes("n", 4, "i32"), b.lane(), b.shl(b.lane(), b.mul(b.lane(), 11)))),
      "may leave 0 to 31",
    ],
    [
      "a store of half a word",
      kernelOf([{ ...y, half: "packed" }], (k) => k.store(y, b.lane(), b.f32(1))),
      "store of a part of a word of y: its other part may be another invocation's",
    ],
    [
      "16-bit floats as integers",
      kernelOf([{ ...writes("y", 16, "i32"), half: "native" }], (k) => k.store(writes("y", 16, "i32"), b.lane(), b.i32(1))),
      "y holds 16-bit floats as i32",
    ],
    ["a texture of scalars", kernelOf([{ ...x, storage: "texture" }, y], (k) => storeOne(k, b.load(x, b.lane()))), "of f32x4"],
    [
      "a wrong type inside",
      withBody([b.store(y, b.lane(), { kind: "unary", op: "exp", type: b.typeOf("f32"), arg: b.lane() })]),
      "exp of i32",
    ],
  ])("%s", (_, kernel, message) => {
    expect(problemsOf(kernel).join("\n")).toContain(message);
  });

  test("workgroup memory beyond the limit", () => {
    const part = { name: "part", type: b.typeOf("f32", 4), length: 1025 } as const;
    const kernel = kernelOf([y], (k) => [k.storeShared(part, b.lane(), b.f32(0, 4)), storeOne(k)], { shared: [part] });
    expect(problemsOf(kernel)).toEqual(["16400 bytes of workgroup memory of 16384"]);
  });

  test("barriers and subgroup operations that only some lanes reach", () => {
    const some = (condition: TileExpr): TileKernel =>
      kernelOf([x, y], (k) => [k.if(condition, (t) => t.barrier()), storeOne(k, b.load(x, b.lane()))], { grid: [2, 1, 1] });
    expect(problemsOf(some(b.lt(b.lane(), 2)))).toEqual(["barrier that only some lanes may reach"]);
    expect(problemsOf(some(b.lt(b.load(x, b.lane()), b.f32(0)))).join()).toContain("barrier that");
    expect(problemsOf(some(b.lt(b.load(x, b.group(0)), b.f32(0))))).toEqual([]);
    const late = kernelOf(
      [y],
      (k) => {
        const n = k.var("n", b.i32(0));
        // In the second round the lanes hold different numbers.
        k.for("i", 0, 2, 1, (_, body) => {
          body.if(b.lt(n, 1), (t) => t.let("sum", b.reduceLanes("add", b.f32(1))));
          body.assign(n, b.lane());
        });
        storeOne(k);
      },
      { subgroupSize: 4 },
    );
    expect(problemsOf(late)).toEqual(["reduceLanes that only some lanes may reach"]);
  });

  test("a loop whose end may change", () => {
    const kernel = kernelOf([y], (k) => {
      const n = k.var("n", b.i32(2));
      k.for("i", 0, n, 1, (_, body) => body.assign(n, b.i32(1)));
      storeOne(k);
    });
    expect(problemsOf(kernel).join()).toContain("may change while it runs");
  });
});
