// Printed kernels on real drivers: the embedded software driver, and the system's where there is one. What they compute must be what the
// interpreter computes; where WGSL leaves accuracy open, within bounds that were measured.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { Draws, philox4x32 } from "../plan/philox.ts";
import { unaryFunction } from "../tile/arithmetic.ts";
import * as b from "../tile/build.ts";
import { interpretKernel } from "../tile/interpret.ts";
import { elementwise, invocation, kernelOf, paddedBox, reads, sharedRowSum, subgroupMatmul, writes } from "../tile/kernels.testing.ts";
import { randomContents, randomKernel } from "../tile/random.testing.ts";
import type { TileExpr, TileKernel, UnaryOp } from "../tile/tile.ts";
import { verifyKernel } from "../tile/verify.ts";
import { type Contents, runKernel } from "./runKernel.testing.ts";

const drivers = ["embedded", "system"] as const;

describe.each(drivers)("the %s driver", (driver) => {
  let opened: OpenedDevice | null = null;
  beforeAll(async () => {
    const result = await openDevice({ driver });
    if (result.ok) opened = result;
    else if (driver === "embedded") throw new Error(`${result.reason}; ${result.help}`);
    else console.log(`skipped, no system driver: ${result.reason}`);
  });
  afterAll(() => opened?.close());

  /** A test that is left out, and says so above, where this driver is missing. */
  const onDevice = (name: string, body: (device: OpenedDevice) => Promise<void>): void => {
    test(name, async (context) => {
      if (opened === null) context.skip(`no ${driver} driver`);
      else await body(opened);
    });
  };

  async function sameAsInterpreter(device: OpenedDevice, kernel: TileKernel, contents: Readonly<Record<string, Contents>>): Promise<void> {
    const { limits } = device.device;
    const problems = verifyKernel(kernel, {
      maxWorkgroupSize: limits.maxComputeInvocationsPerWorkgroup,
      maxSharedBytes: limits.maxComputeWorkgroupStorageSize,
      maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
      maxStorageTextures: limits.maxStorageTexturesPerShaderStage,
      maxWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      maxBindingBytes: limits.maxStorageBufferBindingSize,
      subgroupSize: device.adapter.subgroupSize,
    });
    expect(problems).toEqual([]);
    const expected = new Map(Object.entries(contents).map(([name, data]) => [name, data.slice()]));
    interpretKernel(kernel, expected);
    const found = new Map(Object.entries(contents));
    await runKernel(device, kernel, found);
    for (const { name } of kernel.buffers) {
      const [want, got] = [expected.get(name)!, found.get(name)!];
      expect({ name, values: [...got] }).toEqual({ name, values: [...want] });
    }
  }

  onDevice("computes random expressions as the interpreter does", async (device) => {
    for (let seed = 0; seed < 40; seed++) {
      const draws = new Draws(seed, "random kernels");
      const kernel = randomKernel(draws, seed % 2 === 0 ? 1 : 4);
      const contents = randomContents(draws);
      const expected = new Map([...contents].map(([name, data]) => [name, data.slice()]));
      interpretKernel(kernel, expected);
      await runKernel(device, kernel, contents);
      for (const { name } of kernel.buffers) {
        // Zero has two signs, which operations may choose between.
        const plain = (values: Contents): readonly number[] => [...values].map((v) => v + 0);
        expect({ seed, name, values: plain(contents.get(name)!) }).toEqual({ seed, name, values: plain(expected.get(name)!) });
      }
    }
  });

  onDevice("runs whole kernels as the interpreter does", async (device) => {
    const ramp = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => (i % 13) - 6);
    const zeros = (length: number): Float32Array => new Float32Array(length);
    await sameAsInterpreter(
      device,
      elementwise(100, (x) => b.add(b.mul(x, x), b.f32(0.5))),
      { x: ramp(100), y: zeros(100) },
    );
    await sameAsInterpreter(device, sharedRowSum(3, 50, 16), { x: ramp(150), y: zeros(3) });
    await sameAsInterpreter(device, paddedBox(5, 7), { x: ramp(35), y: zeros(35) });
    const lanes = device.adapter.subgroupSize;
    if (lanes === null) return;
    const [m, k, n] = [8, 12, lanes * 8];
    await sameAsInterpreter(device, subgroupMatmul(m, k, n, lanes, 4), { a: ramp(m * k), w: ramp(k * n), c: zeros(m * n) });
    const [x, y] = [reads("x", lanes), writes("y", lanes * 3)];
    const sums = kernelOf(
      [x, y],
      (block) => {
        const v = block.let("v", b.load(x, b.lane()));
        (["add", "max", "min"] as const).forEach((op, i) => {
          block.store(y, b.add(b.lane(), i * lanes), b.reduceLanes(op, v));
        });
      },
      { workgroupSize: lanes, subgroupSize: lanes },
    );
    await sameAsInterpreter(device, sums, { x: ramp(lanes), y: zeros(lanes * 3) });
  });

  onDevice("reads operands from textures", async (device) => {
    const [x, y] = [{ ...reads("x", 1500, "f32", 4), storage: "texture" as const }, writes("y", 1500, "f32", 4)];
    const write = (k: b.Block): void =>
      k.if(b.lt(invocation(64), b.i32(1500)), (t) => t.store(y, invocation(64), b.load(x, b.sub(1499, invocation(64)))));
    const kernel = kernelOf([x, y], write, { workgroupSize: 64, grid: [24, 1, 1] });
    await sameAsInterpreter(device, kernel, { x: Float32Array.from({ length: 6000 }, (_, i) => i), y: new Float32Array(6000) });
  });

  onDevice("reads uniforms with their bits, and masks with minus infinity", async (device) => {
    const y = writes("y", 8);
    const negative = b.select(b.lt(b.lane(), 2), b.f32(Number.NEGATIVE_INFINITY), b.uniform(5, "f32"));
    const write = (k: b.Block): void => {
      k.store(y, b.lane(), b.exp(negative));
      k.store(y, b.add(b.lane(), 4), b.cast(b.uniform(2, "i32"), "f32"));
    };
    const uniforms = new Uint32Array(12);
    new Int32Array(uniforms.buffer)[2] = -7;
    new Float32Array(uniforms.buffer)[5] = 0;
    const values = new Float32Array(8);
    await runKernel(device, kernelOf([y], write, { usesUniforms: true }), new Map([["y", values]]), uniforms);
    expect([...values]).toEqual([0, 0, 1, 1, -7, -7, -7, -7]);
  });

  onDevice("draws the random words of the host", async (device) => {
    const out = writes("out", 64 * 4, "u32");
    const write = (k: b.Block): void => {
      const element = b.add(b.mul(b.cast(b.lane(), "u32"), 0x3ffffff), 3);
      for (let word = 0; word < 4; word++)
        k.store(out, b.add(b.mul(b.lane(), 4), word), b.philox(0xdeadbeef, 0x9abcdef0, word + 2, element, b.u32(4000000000)));
    };
    const words = new Uint32Array(256);
    await runKernel(device, kernelOf([out], write, { workgroupSize: 64 }), new Map([["out", words]]));
    const expected = Array.from({ length: 256 }, (_, i) => {
      const word = (i % 4) + 2;
      return philox4x32(0xdeadbeef, 0x9abcdef0, Math.imul(Math.floor(i / 4), 0x3ffffff) + 3, 4000000000, word >>> 2, 0)[word & 3]!;
    });
    expect([...words]).toEqual(expected);
  });

  const samples = 4096;
  async function mapped(device: OpenedDevice, f: (x: TileExpr) => TileExpr, xs: Float32Array): Promise<Float32Array> {
    const [x, y] = [reads("x", samples), writes("y", samples)];
    const kernel = kernelOf([x, y], (k) => k.store(y, invocation(64), f(b.load(x, invocation(64)))), {
      workgroupSize: 64,
      grid: [samples / 64, 1, 1],
    });
    const ys = new Float32Array(samples);
    await runKernel(
      device,
      kernel,
      new Map([
        ["x", xs],
        ["y", ys],
      ]),
    );
    return ys;
  }
  const spread = (low: number, high: number): Float32Array =>
    Float32Array.from({ length: samples }, (_, i) => low + ((high - low) * (i + 0.5)) / samples);

  // op, from, to, bound on |error| / max(|value|, floor)
  const accuracy: readonly (readonly [UnaryOp, number, number, number, number])[] = [
    ["erf", -6, 6, 2e-7, 0],
    ["erf", 1e-6, 1e-3, 2e-7, 0],
    ["tanh", -100, 100, 4e-7, 0],
    ["tanh", -1, 1, 4e-7, 0],
    ["tanh", 1e-6, 1e-3, 2e-7, 0],
    ["exp", -10, 10, 1e-6, 0],
    ["exp", -80, 80, 6e-6, 0],
    ["log", 1e-6, 0.5, 4e-7, 0],
    ["log", 0.5, 2, 5e-7, 1],
    ["log", 2, 1e6, 4e-7, 0],
    ["sin", -1000, 1000, 3e-7, 1],
    ["sin", -1, 1, 4e-7, 0],
    ["cos", -1000, 1000, 3e-7, 1],
    ["sqrt", 0, 100, 3e-7, 0],
    ["rsqrt", 1e-6, 100, 3e-7, 0],
    ["round", -8, 8, 0, 1],
    ["floor", -8, 8, 0, 1],
  ];
  onDevice("keeps the accuracy that the numerics rest on", async (device) => {
    for (const [op, low, high, bound, floor] of accuracy) {
      const xs = spread(low, high);
      const ys = await mapped(device, (x) => b.unary(op, x), xs);
      let worst = 0;
      xs.forEach((x, i) => {
        const want = unaryFunction(op)(x);
        worst = Math.max(worst, Math.abs(ys[i]! - want) / Math.max(Math.abs(want), floor, 1e-37));
      });
      expect(worst, `${op} from ${low} to ${high}`).toBeLessThanOrEqual(bound);
    }
  });

  onDevice("rounds halves to even", async (device) => {
    const xs = Float32Array.from({ length: samples }, (_, i) => i / 2 - 20);
    expect([...(await mapped(device, b.round, xs))].map((v) => v + 0)).toEqual([...xs].map((x) => unaryFunction("round")(x) + 0));
  });

  onDevice("raises to powers as the host does", async (device) => {
    const bases = [0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 10];
    const exponents = [0, 1, 2, 3, 5, -1, -2, -3, 0.5, 1.5, -0.5, 17, -17];
    const xs = Float32Array.from({ length: samples }, (_, i) => bases[i % bases.length]!);
    const e = reads("e", samples);
    const [x, y] = [reads("x", samples), writes("y", samples)];
    const es = Float32Array.from({ length: samples }, (_, i) => exponents[Math.floor(i / bases.length) % exponents.length]!);
    const kernel = kernelOf([x, e, y], (k) => k.store(y, invocation(64), b.pow(b.load(x, invocation(64)), b.load(e, invocation(64)))), {
      workgroupSize: 64,
      grid: [samples / 64, 1, 1],
    });
    const ys = new Float32Array(samples);
    await runKernel(
      device,
      kernel,
      new Map([
        ["x", xs],
        ["e", es],
        ["y", ys],
      ]),
    );
    const check = (base: number, exponent: number, found: number): void => {
      const want = base ** exponent;
      const about = `${base} ** ${exponent} = ${found}`;
      if (Number.isNaN(want)) expect(found, about).toBeNaN();
      else if (!Number.isFinite(want)) expect(Math.abs(found), about).toBe(Number.POSITIVE_INFINITY);
      else expect(Math.abs(found - want), about).toBeLessThanOrEqual(4e-6 * Math.abs(want));
    };
    for (let i = 0; i < bases.length * exponents.length; i++) check(xs[i]!, es[i]!, ys[i]!);
    for (const exponent of [2, 3, 7, 16, -1, -3, 0.5, 2.5]) {
      const powers = await mapped(device, (v) => b.pow(v, exponent), xs);
      for (let i = 0; i < bases.length; i++) check(xs[i]!, exponent, powers[i]!);
    }
  });
});
