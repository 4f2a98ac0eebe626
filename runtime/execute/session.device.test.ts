import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { halfBytes, roundToHalf } from "../../compiler/plan/half.ts";
import { operandTextureWidth } from "../../compiler/plan/operandTexture.ts";
import type { Plan } from "../../compiler/plan/plan.ts";
import { dispatch, linearRegression, noFigures, range, targetOf } from "../../test/plans/linearRegression.ts";
import { type OpenedDevice, openDevice } from "../device/openDevice.ts";
import { RuntimeFailure } from "./failure.ts";
import { profileLeg } from "./profile.ts";
import { createSession, type Session, type SessionOptions } from "./session.ts";

async function open(): Promise<OpenedDevice> {
  const opened = await openDevice({ disableRobustness: false });
  if (!opened.ok) throw new Error(`${opened.reason}; ${opened.help}`);
  return opened;
}
async function start(opened: OpenedDevice, plan: Plan, options: SessionOptions = {}): Promise<Session> {
  const made = await createSession(opened, plan, options);
  if (!made.ok) throw made.failure;
  return made.session;
}

const doubleKernel = /* wgsl */ `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> b: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) at: vec3u) { if (at.x < arrayLength(&b)) { b[at.x] = 2 * a[at.x]; } }`;
const fromTextureKernel = /* wgsl */ `
@group(0) @binding(0) var a: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var<storage, read_write> b: array<vec4f>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) at: vec3u) {
  if (at.x < arrayLength(&b)) { b[at.x] += textureLoad(a, vec2u(at.x % ${operandTextureWidth}, at.x / ${operandTextureWidth})); }
}`;

/** in -> twice -> slot; result = slot + 2 * slot, both read through a texture, the slot written again in between. */
function texturePlan(opened: OpenedDevice, count: number): Plan {
  const bytes = 4 * count;
  const grid = [Math.ceil(count / 64), 1, 1] as const;
  const doubled = (from: number, to: number, what: string) =>
    ({ ...dispatch(0, [range(from, bytes), range(to, bytes)], what), grid }) as Plan["legs"][number]["ops"][number];
  const added = {
    ...dispatch(1, [range(1, bytes), range(3, bytes)], "add"),
    grid: [Math.ceil(count / 256), 1, 1],
  } as Plan["legs"][number]["ops"][number];
  return {
    format: 1,
    compiler: "by hand",
    target: targetOf(opened.adapter),
    kernels: [
      { id: "double", name: "double", wgsl: doubleKernel, bindings: ["read", "readWrite"] },
      { id: "texture", name: "add from texture", wgsl: fromTextureKernel, bindings: ["texture", "readWrite"] },
    ],
    buffers: [
      { id: 0, name: "in", bytes, use: "input" },
      { id: 1, name: "slot", bytes, use: "slot" },
      { id: 2, name: "other", bytes, use: "slot" },
      { id: 3, name: "out", bytes, use: "output" },
    ],
    legs: [
      {
        name: "main",
        inputs: [{ name: "in", at: range(0, bytes), dtype: "f32", shape: [count] }],
        ops: [
          doubled(0, 1, "double"),
          { kind: "clear", target: range(3, bytes) },
          added,
          added,
          { kind: "copy", from: range(1, bytes), to: range(2, bytes) },
          doubled(2, 1, "double again"),
          added,
        ],
        outputs: [{ name: "out", at: range(3, bytes), dtype: "f32", shape: [count] }],
        figures: noFigures,
      },
    ],
    uniforms: [],
    program: { kind: "function", name: "main" },
  };
}

describe("a session", () => {
  let opened: OpenedDevice;
  beforeAll(async () => {
    opened = await open();
  });
  afterAll(() => opened.close());

  it("fills textures before the dispatches that read them, and again after a write", async () => {
    // More than one row, and a last row that is not full.
    const count = 4 * (2 * operandTextureWidth + 37) - 0;
    const session = await start(opened, texturePlan(opened, count), { poison: true, dispatchesPerSubmit: 2 });
    const values = Float32Array.from({ length: count }, (_, i) => i % 1000);
    session.writeInput("main", "in", values);
    session.run("main");
    const out = await session.readOutput("main", "out");
    // Twice 2x, then 4x.
    expect([...out]).toEqual(Array.from(values, (x) => 8 * x));
    session.dispose();
  });

  it("poisons what a leg has not written", async () => {
    const plan = texturePlan(opened, 64);
    const hidden: Plan = { ...plan, legs: [{ ...plan.legs[0]!, ops: plan.legs[0]!.ops.filter((op) => op.kind !== "clear") }] };
    const session = await start(opened, hidden, { poison: true });
    session.writeInput("main", "in", new Float32Array(64));
    session.run("main");
    expect([...(await session.readOutput("main", "out"))].every(Number.isNaN)).toBe(true);
    session.dispose();
  });

  it("reads later, in order, what each run gave", async () => {
    const session = await start(opened, texturePlan(opened, 64));
    const pending = [1, 2, 3, 4, 5].map((value) => {
      session.writeInput("main", "in", new Float32Array(64).fill(value));
      session.run("main");
      return session.readLater("main", ["out"]);
    });
    const first = [];
    for (const read of pending) first.push((await read.values()).out![0]);
    expect(first).toEqual([8, 16, 24, 32, 40]);
    session.dispose();
  });

  it("reads and writes ranges for checkpoints, in pieces", async () => {
    const count = 3 * 1024 * 1024;
    const session = await start(opened, texturePlan(opened, count));
    const bytes = new Uint8Array(Float32Array.from({ length: count }, (_, i) => i).buffer);
    session.writeBuffer(range(0, bytes.length), bytes);
    const pieces: Uint8Array[] = [];
    for await (const piece of session.readBuffer(range(0, bytes.length))) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(1);
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    session.dispose();
  });

  it("holds stored f16 tensors of odd sizes, which hosts see as f32", async () => {
    const count = 5 * 1024 * 1024 + 3; // more than a piece
    const session = await start(opened, texturePlan(opened, 3 * 1024 * 1024));
    const tensor = { key: "w", role: "param", shape: [count], dtype: "f16", at: range(0, halfBytes(count)) } as const;
    const values = Float32Array.from({ length: count }, (_, i) => (i % 4099) / 8);
    const bytes = new Uint8Array(values.buffer);
    const middle = 4 * 1024 * 1024;
    session.writeFloats(tensor, bytes.subarray(0, middle), 0);
    session.writeFloats(tensor, bytes.subarray(middle), middle);
    const pieces: Uint8Array[] = [];
    for await (const piece of session.readFloats(tensor)) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(1);
    const back = new Float32Array(Uint8Array.from(Buffer.concat(pieces)).buffer);
    expect(back.length).toBe(count);
    expect(back.every((x, i) => x === roundToHalf(values[i]!))).toBe(true);
    session.dispose();
  });

  it("times every operation of a leg", async () => {
    const session = await start(opened, texturePlan(opened, 4096));
    session.writeInput("main", "in", new Float32Array(4096).fill(1));
    const profile = await profileLeg(session, "main", { repeats: 3 });
    expect(profile.rows.map((row) => [row.what, row.count]).sort()).toEqual(
      [
        ["add", 3],
        ["clear", 1],
        ["copy", 1],
        ["double again", 1],
        ["double", 1],
        ["operand to texture", 2],
      ].sort(),
    );
    expect(profile.totalMs).toBeGreaterThan(0);
    expect(profile.rows.every((row) => row.ms >= 0)).toBe(true);
    session.dispose();
  });

  it("says which kernel the driver refuses", async () => {
    const plan = texturePlan(opened, 64);
    const bad: Plan = { ...plan, kernels: [{ ...plan.kernels[0]!, wgsl: "fn main() { nonsense }" }, plan.kernels[1]!] };
    const made = await createSession(opened, bad);
    expect(made.ok ? null : made.failure).toMatchObject({
      kind: "refused",
      message: expect.stringMatching(/refuses the kernel double \(double\)/),
    });
  });

  it("refuses a plan for another adapter, and a plan that is not sound", async () => {
    const plan = texturePlan(opened, 64);
    const other = await createSession(opened, { ...plan, target: { ...plan.target, features: ["teleportation"] } });
    expect(other.ok ? null : other.failure.message).toMatch(/made for another adapter; .* the feature teleportation/);
    const unsound = await createSession(opened, { ...plan, buffers: plan.buffers.slice(0, 3) });
    expect(unsound.ok ? null : unsound.failure).toMatchObject({
      kind: "unfit plan",
      message: expect.stringMatching(/there is no buffer 3/),
    });
  });

  it("names the largest buffers when memory does not suffice", async () => {
    const plan = texturePlan(opened, 64);
    const huge: Plan = { ...plan, buffers: [...plan.buffers, { id: 4, name: "attention scores", bytes: 2 ** 50, use: "slot" }] };
    const made = await createSession(opened, huge);
    expect(made.ok ? null : made.failure).toMatchObject({
      kind: "out of memory",
      message: expect.stringMatching(/the largest: attention scores 1024 TiB, /),
    });
  });
});

describe("a lost device", () => {
  it("ends with a failure that says so and what to do", async () => {
    const opened = await open();
    const session = await start(opened, linearRegression(targetOf(opened.adapter)));
    session.run("init");
    await session.finish();
    opened.device.destroy();
    await opened.lost;
    const failure = await (async () => {
      try {
        session.run("init");
        await session.finish();
        return null;
      } catch (error) {
        return error;
      }
    })();
    expect(failure).toBeInstanceOf(RuntimeFailure);
    expect(failure).toMatchObject({ kind: "device lost", help: expect.stringMatching(/--resume/) });
  });
});
