// For device tests: runs one printed kernel on an open device with given contents and gives back what its writable buffers then hold.
import type { OpenedDevice } from "../../runtime/device/openDevice.ts";
import { operandTextureWidth } from "../plan/operandTexture.ts";
import type { TileKernel } from "../tile/tile.ts";
import { printKernel } from "./print.ts";

export type Contents = Float32Array | Int32Array | Uint32Array;

const copyOf = (data: Contents): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(Math.max(16, data.byteLength));
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return bytes;
};

/** Runs the kernel once; `contents` is changed in place where the kernel writes. */
export async function runKernel(
  opened: OpenedDevice,
  kernel: TileKernel,
  contents: ReadonlyMap<string, Contents>,
  uniforms = new Uint32Array(0),
): Promise<void> {
  const { device } = opened;
  const printed = printKernel(kernel);
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: printed.wgsl });
  const entries = printed.bindings.map((kind, binding): GPUBindGroupLayoutEntry => {
    const visibility = GPUShaderStage.COMPUTE;
    if (kind === "texture") return { binding, visibility, storageTexture: { access: "read-only", format: "rgba32float" } };
    const type = kind === "uniform" ? "uniform" : kind === "read" ? "read-only-storage" : "storage";
    return { binding, visibility, buffer: { type } };
  });
  const layout = device.createBindGroupLayout({ entries });
  const pipeline = device.createComputePipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: "main" },
  });
  const made: (GPUBuffer | GPUTexture)[] = [];
  const buffer = (data: Contents, usage: number): GPUBuffer => {
    const bytes = copyOf(data);
    const result = device.createBuffer({ size: Math.ceil(bytes.byteLength / 16) * 16, usage: usage | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(result, 0, bytes);
    made.push(result);
    return result;
  };
  const texture = (data: Contents): GPUTexture => {
    const rows = Math.ceil(data.length / 4 / operandTextureWidth);
    const padded = new Float32Array(rows * operandTextureWidth * 4);
    padded.set(data);
    const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST;
    const result = device.createTexture({ size: [operandTextureWidth, rows], format: "rgba32float", usage });
    device.queue.writeTexture({ texture: result }, padded, { bytesPerRow: operandTextureWidth * 16 }, [operandTextureWidth, rows]);
    made.push(result);
    return result;
  };
  const readBack: { readonly from: GPUBuffer; readonly to: GPUBuffer; readonly data: Contents }[] = [];
  const resources = kernel.buffers.map((b): GPUBindingResource => {
    const data = contents.get(b.name);
    if (data === undefined) throw new Error(`no contents for ${b.name}`);
    if (b.storage === "texture") return texture(data).createView();
    const from = buffer(data, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
    if (b.access === "readWrite") {
      const to = device.createBuffer({ size: from.size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
      made.push(to);
      readBack.push({ from, to, data });
    }
    return { buffer: from };
  });
  if (kernel.usesUniforms) resources.push({ buffer: buffer(uniforms, GPUBufferUsage.UNIFORM) });
  const group = device.createBindGroup({ layout, entries: resources.map((resource, binding) => ({ binding, resource })) });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...kernel.grid);
  pass.end();
  for (const { from, to } of readBack) encoder.copyBufferToBuffer(from, to);
  device.queue.submit([encoder.finish()]);
  const error = await opened.wait(device.popErrorScope());
  if (error !== null) throw new Error(`${error.message}\n${printed.wgsl}`);
  for (const { to, data } of readBack) {
    await opened.wait(to.mapAsync(GPUMapMode.READ));
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength).set(new Uint8Array(to.getMappedRange(), 0, data.byteLength));
    to.unmap();
  }
  for (const resource of made) resource.destroy();
}
