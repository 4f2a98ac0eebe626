// For tests: small kernels in the styles that templates write.
import * as b from "./build.ts";
import type { Scalar, TileBuffer, TileExpr, TileKernel, Width } from "./tile.ts";
import type { KernelLimits } from "./verify.ts";

export const roomy: KernelLimits = {
  maxWorkgroupSize: 256,
  maxSharedBytes: 16384,
  maxStorageBuffers: 8,
  maxStorageTextures: 4,
  maxWorkgroupsPerDimension: 65535,
  maxBindingBytes: 134217728,
  subgroupSize: 4,
};

export const reads = (name: string, length: number, scalar: Scalar = "f32", width: Width = 1): TileBuffer => ({
  name,
  type: b.typeOf(scalar, width),
  access: "read",
  storage: "buffer",
  length,
});
export const writes = (name: string, length: number, scalar: Scalar = "f32", width: Width = 1): TileBuffer => ({
  ...reads(name, length, scalar, width),
  access: "readWrite",
});

/** A kernel of one block; buffers are those given, the rest is small and plain unless said otherwise. */
export function kernelOf(buffers: readonly TileBuffer[], write: (block: b.Block) => void, rest: Partial<TileKernel> = {}): TileKernel {
  const block = new b.Block();
  write(block);
  return {
    name: "test",
    workgroupSize: 4,
    subgroupSize: null,
    grid: [1, 1, 1],
    buffers,
    usesUniforms: false,
    shared: [],
    body: block.statements,
    ...rest,
  };
}

/** The number of an invocation along the first axis. */
export const invocation = (workgroupSize: number): TileExpr => b.add(b.mul(b.group(0), workgroupSize), b.lane());

/** y[i] = f(x[i]) for `length` elements, four at a time, in a grid that may overshoot. */
export function elementwise(length: number, f: (x: TileExpr) => TileExpr): TileKernel {
  const x = reads("x", length / 4, "f32", 4);
  const y = writes("y", length / 4, "f32", 4);
  const write = (k: b.Block): void => {
    const i = k.let("i", invocation(8));
    k.if(b.lt(i, b.i32(length / 4)), (t) => t.store(y, i, f(b.load(x, i))));
  };
  return kernelOf([x, y], write, { name: "elementwise", workgroupSize: 8, grid: [Math.ceil(length / 32), 1, 1] });
}

/** C = A · B by subgroups: each holds `rows` rows of C and hands the elements of A round by `fromLane`. */
export function subgroupMatmul(m: number, k: number, n: number, lanes: number, rows: number): TileKernel {
  const a = reads("a", (m * k) / 4, "f32", 4);
  const w = reads("w", (k * n) / 4, "f32", 4);
  const c = writes("c", (m * n) / 4, "f32", 4);
  const write = (block: b.Block): void => {
    const row = block.let("row", b.mul(b.group(1), rows));
    const column = block.let("column", invocation(lanes));
    const sums = Array.from({ length: rows }, (_, r) => block.var(`sum${r}`, b.f32(0, 4)));
    block.for("at", 0, k, 4, (at, body) => {
      // Lane r of the subgroup holds four elements of row r.
      const held = body.let("held", b.load(a, b.add(b.mul(b.add(row, b.imod(b.lane(), rows)), k / 4), b.idiv(at, 4))));
      for (const i of [0, 1, 2, 3] as const) {
        const weights = body.let("weights", b.load(w, b.add(b.mul(b.add(at, i), n / 4), column)));
        for (const [r, sum] of sums.entries()) body.assign(sum, b.fma(b.splat(b.fromLane(b.part(held, i), r)), weights, sum));
      }
    });
    for (const [r, sum] of sums.entries()) block.store(c, b.add(b.mul(b.add(row, r), n / 4), column), sum);
  };
  const grid = [n / 4 / lanes, m / rows, 1] as const;
  return kernelOf([a, w, c], write, { name: "matmul", workgroupSize: lanes, subgroupSize: lanes, grid });
}

/** Sums of rows through workgroup memory, halving the number of lanes that add. */
export function sharedRowSum(rows: number, columns: number, lanes: number): TileKernel {
  const x = reads("x", rows * columns);
  const y = writes("y", rows);
  const part = { name: "part", type: b.typeOf("f32"), length: lanes } as const;
  const write = (k: b.Block): void => {
    const sum = k.var("sum", b.f32(0));
    k.for("j", b.lane(), columns, lanes, (j, body) => body.assign(sum, b.add(sum, b.load(x, b.add(b.mul(b.group(0), columns), j)))));
    k.storeShared(part, b.lane(), sum);
    for (let half = lanes / 2; half >= 1; half /= 2) {
      k.barrier();
      k.if(b.lt(b.lane(), b.i32(half)), (t) => {
        t.storeShared(part, b.lane(), b.add(b.loadShared(part, b.lane()), b.loadShared(part, b.add(b.lane(), half))));
      });
    }
    k.if(b.eq(b.lane(), b.i32(0)), (t) => t.store(y, b.group(0), b.loadShared(part, 0)));
  };
  return kernelOf([x, y], write, { name: "row sum", workgroupSize: lanes, grid: [rows, 1, 1], shared: [part] });
}

/** 3x3 sums over a height x width map with a border of zeros: guarded loads, division by a number that is no power of two. */
export function paddedBox(height: number, width: number): TileKernel {
  const x = reads("x", height * width);
  const y = writes("y", height * width);
  const write = (k: b.Block): void => {
    const i = k.let("i", invocation(4));
    k.if(b.lt(i, b.i32(height * width)), (t) => {
      const sum = t.var("sum", b.f32(0));
      t.for("tap", 0, 9, 1, (tap, body) => {
        const row = body.let("row", b.sub(b.add(b.idiv(i, width), b.idiv(tap, 3)), 1));
        const column = body.let("column", b.sub(b.add(b.imod(i, width), b.imod(tap, 3)), 1));
        const inside = body.let("inside", b.and(b.within(row, 0, height), b.within(column, 0, width)));
        const at = body.let("at", b.select(inside, b.add(b.mul(row, width), column), b.i32(0)));
        body.assign(sum, b.add(sum, b.select(inside, b.load(x, at), b.f32(0))));
      });
      t.store(y, i, sum);
    });
  };
  return kernelOf([x, y], write, { name: "box", workgroupSize: 4, grid: [Math.ceil((height * width) / 4), 1, 1] });
}
