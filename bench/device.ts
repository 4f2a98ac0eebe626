// Runs hand-written kernels beside anything else that can be run and waited for. In: kernels and their operands. Out: contenders, which
// `measure.ts` times in turns.
import type { OpenedDevice } from "../runtime/device/openDevice.ts";
import type { HandKernel } from "./handwritten/kernel.ts";
import type { Contender } from "./measure.ts";

/** Operands on the device, made once for all kernels of a workload. */
export class Operands {
  readonly buffers: GPUBuffer[] = [];
  readonly #opened: OpenedDevice;

  constructor(opened: OpenedDevice) {
    this.#opened = opened;
  }

  filled(values: Float32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.empty(values.length);
    this.#opened.device.queue.writeBuffer(buffer, 0, values);
    return buffer;
  }

  empty(length: number): GPUBuffer {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.#opened.device.createBuffer({ size: 4 * length, usage });
    this.buffers.push(buffer);
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.buffers) buffer.destroy();
  }
}

/** Values of a buffer at a few places. */
export async function readSamples(opened: OpenedDevice, buffer: GPUBuffer, places: readonly number[]): Promise<number[]> {
  const staging = opened.device.createBuffer({ size: 4 * places.length, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = opened.device.createCommandEncoder();
  for (const [i, place] of places.entries()) encoder.copyBufferToBuffer(buffer, 4 * place, staging, 4 * i, 4);
  opened.device.queue.submit([encoder.finish()]);
  await opened.wait(staging.mapAsync(GPUMapMode.READ));
  const values = [...new Float32Array(staging.getMappedRange())];
  staging.destroy();
  return values;
}

export interface PreparedKernel extends Contender {
  readonly kernel: HandKernel;
  readonly output: GPUBuffer;
  /** From the text to the end of the first run: what a driver compiles lazily is in it. */
  readonly firstMs: number;
  readonly destroy: () => void;
}

/** Makes a kernel ready: its pipeline, its textures, one warm run. */
export async function prepareKernel(opened: OpenedDevice, kernel: HandKernel, operands: readonly GPUBuffer[]): Promise<PreparedKernel> {
  const { device } = opened;
  const started = performance.now();
  const module = device.createShaderModule({ label: kernel.name, code: kernel.wgsl });
  const pipeline = await opened.wait(
    device.createComputePipelineAsync({ label: kernel.name, layout: "auto", compute: { module, entryPoint: "main" } }),
  );
  const copies: { readonly source: GPUBuffer; readonly texture: GPUTexture; readonly width: number; readonly rows: number }[] = [];
  const entries = kernel.bindings.map((binding, i): GPUBindGroupEntry => {
    const source = operands[i]!;
    if (binding.kind !== "texture") return { binding: i, resource: { buffer: source } };
    const { width, rows } = binding;
    const texture = device.createTexture({
      size: [width, rows],
      format: "rgba32float",
      usage: GPUTextureUsage.COPY_DST | GPUTextureUsage.STORAGE_BINDING,
    });
    copies.push({ source, texture, width, rows });
    return { binding: i, resource: texture.createView() };
  });
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const submit = (repeats: number) => {
    const encoder = device.createCommandEncoder();
    for (let i = 0; i < repeats; i++) {
      for (const { source, texture, width, rows } of copies) {
        // An operand need not fill the last row of its texture.
        const texels = source.size / 16;
        const whole = Math.min(rows, Math.floor(texels / width));
        if (whole > 0) encoder.copyBufferToTexture({ buffer: source, bytesPerRow: 16 * width }, { texture }, [width, whole]);
        const rest = texels - whole * width;
        if (whole < rows && rest > 0)
          encoder.copyBufferToTexture(
            { buffer: source, offset: 16 * whole * width, bytesPerRow: 16 * width },
            { texture, origin: [0, whole] },
            [rest, 1],
          );
      }
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...kernel.grid);
      pass.end();
    }
    device.queue.submit([encoder.finish()]);
  };
  const run = async (repeats: number) => {
    submit(repeats);
    await opened.wait(device.queue.onSubmittedWorkDone());
  };
  await run(1);
  const firstMs = performance.now() - started;
  return {
    name: kernel.name,
    scale: 1 / (kernel.share ?? 1),
    run,
    kernel,
    output: operands[kernel.bindings.length - 1]!,
    firstMs,
    destroy: () => {
      for (const { texture } of copies) texture.destroy();
    },
  };
}
