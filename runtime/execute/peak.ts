import type { OpenedDevice } from "../device/openDevice.ts";

// What a device can do at most, as two small kernels of our own find it: multiply-adds out of registers, and copying through memory. Kernels
// are compared with that, so the figures need to be fair, not exact: each is the best of a few runs of some tens of milliseconds.

export interface DevicePeak {
  /** Floating point operations a second, a multiply-add counted as two. */
  readonly flops: number;
  /** Bytes read and written a second. */
  readonly bytes: number;
}

const runs = 4;
const wantedMs = 30;

/** Eight independent chains of vector multiply-adds per invocation. */
const arithmetic = (workgroup: number): string => `
@group(0) @binding(0) var<storage, read> from_: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> to: array<vec4<f32>>;
@compute @workgroup_size(${workgroup})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let a = from_[0];
  let b = from_[1];
  let rounds = u32(from_[2].x);
  ${Array.from({ length: 8 }, (_, i) => `var x${i} = a + vec4<f32>(f32(id.x % 7u) + ${i}.0);`).join("\n  ")}
  for (var i = 0u; i < rounds; i++) {
    ${Array.from({ length: 8 }, (_, i) => `x${i} = x${i} * a + b;`).join("\n    ")}
  }
  to[id.x] = ${Array.from({ length: 8 }, (_, i) => `x${i}`).join(" + ")};
}`;
const flopsPerRound = 8 * 4 * 2;

const copying = (workgroup: number, perInvocation: number): string => `
@group(0) @binding(0) var<storage, read> from_: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> to: array<vec4<f32>>;
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = group.x * ${workgroup * perInvocation}u + lane;
  for (var i = 0u; i < ${perInvocation}u; i++) {
    to[first + i * ${workgroup}u] = from_[first + i * ${workgroup}u];
  }
}`;

/** Measures a device; takes about half a second. */
export async function measurePeak(opened: OpenedDevice): Promise<DevicePeak> {
  const isGpu = opened.adapter.adapterClass === "gpu";
  const workgroup = isGpu ? 256 : 16;
  const groups = isGpu ? 4096 : 512;
  const bytes = Math.min(isGpu ? 2 ** 28 : 2 ** 26, opened.adapter.limits.maxStorageBufferBindingSize ?? 2 ** 27);
  return { flops: await peakFlops(opened, workgroup, groups), bytes: await peakBytes(opened, workgroup, bytes) };
}

async function peakFlops(opened: OpenedDevice, workgroup: number, groups: number): Promise<number> {
  const invocations = workgroup * groups;
  const kernel = new Kernel(opened, arithmetic(workgroup), 48, 16 * invocations);
  try {
    const time = async (rounds: number): Promise<number> => {
      // Products of numbers below one keep the chains away from infinities and from denormal numbers.
      opened.device.queue.writeBuffer(kernel.from, 0, new Float32Array([0.5, 0.25, 0.75, 0.5, 1, 2, 3, 4, rounds, 0, 0, 0]));
      return kernel.run(groups);
    };
    await time(1);
    let rounds = 64;
    for (let ms = await time(rounds); ms < wantedMs / 2 && rounds < 1 << 20; ms = await time(rounds)) rounds *= 4;
    // The difference of two lengths leaves out what launching costs.
    let best = 0;
    for (let i = 0; i < runs; i++) {
      const seconds = ((await time(2 * rounds)) - (await time(rounds))) / 1000;
      if (seconds > 0) best = Math.max(best, (invocations * rounds * flopsPerRound) / seconds);
    }
    return best;
  } finally {
    kernel.dispose();
  }
}

async function peakBytes(opened: OpenedDevice, workgroup: number, bytes: number): Promise<number> {
  const perInvocation = opened.adapter.adapterClass === "gpu" ? 4 : 64;
  const perGroup = 16 * workgroup * perInvocation;
  const groups = Math.min(65535, Math.floor(bytes / perGroup));
  const kernel = new Kernel(opened, copying(workgroup, perInvocation), groups * perGroup, groups * perGroup);
  try {
    await kernel.run(groups);
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < runs; i++) best = Math.min(best, await kernel.run(groups));
    return (2 * groups * perGroup) / (best / 1000);
  } finally {
    kernel.dispose();
  }
}

/** A kernel from one buffer to another. */
class Kernel {
  readonly from: GPUBuffer;
  readonly #to: GPUBuffer;
  readonly #opened: OpenedDevice;
  readonly #pipeline: GPUComputePipeline;
  readonly #group: GPUBindGroup;

  constructor(opened: OpenedDevice, code: string, fromBytes: number, toBytes: number) {
    const { device } = opened;
    this.#opened = opened;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    this.from = device.createBuffer({ size: fromBytes, usage });
    this.#to = device.createBuffer({ size: toBytes, usage });
    this.#pipeline = device.createComputePipeline({
      layout: "auto",
      compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
    });
    this.#group = device.createBindGroup({
      layout: this.#pipeline.getBindGroupLayout(0),
      entries: [this.from, this.#to].map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
  }
  /** Milliseconds of one dispatch. */
  async run(groups: number): Promise<number> {
    const { device, wait } = this.#opened;
    const started = performance.now();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#group);
    pass.dispatchWorkgroups(groups);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await wait(device.queue.onSubmittedWorkDone());
    return performance.now() - started;
  }
  dispose(): void {
    this.from.destroy();
    this.#to.destroy();
  }
}
