// What an adapter is, as data: who made it, which of our optional features it has, its limits, and the subgroup size, which is measured by
// a kernel and never assumed (a wrong size gives silently wrong numbers). In goes an adapter with a device on it, out come plain values.

/** Facts on which schedules, plan keys and `adac doctor` rest. */
export interface AdapterFacts {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** How the driver was chosen: the system's, the embedded one, or the path of the ICD file that was forced. */
  readonly driver: string;
  /** The adapter computes on the CPU, so a waiting thread must not burn a core. */
  readonly isSoftware: boolean;
  readonly adapterClass: "cpu-subgroups" | "cpu" | "gpu";
  /** Lanes per subgroup when it is one constant and lanes are consecutive invocations, as a kernel has confirmed; else null. */
  readonly subgroupSize: number | null;
  /** The features the device was opened with, sorted. */
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  /** Reading an operand from an rgba32float storage texture is cheaper than from a buffer. */
  readonly cheapTextureLoads: boolean;
}

/** Optional features that kernels or tools can use; each is requested where present, and nothing needs one. */
export const usefulFeatures: readonly GPUFeatureName[] = [
  "subgroups",
  "subgroup-size-control",
  "shader-f16",
  "timestamp-query",
  "float32-filterable",
  "texture-formats-tier1",
  "texture-formats-tier2",
];

/** Limits raised to what the adapter offers; all others keep WebGPU's defaults. */
const raisedLimits = [
  "maxBindGroups",
  "maxBindingsPerBindGroup",
  "maxStorageBuffersPerShaderStage",
  "maxStorageTexturesPerShaderStage",
  "maxUniformBuffersPerShaderStage",
  "maxUniformBufferBindingSize",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxDynamicUniformBuffersPerPipelineLayout",
  "maxDynamicStorageBuffersPerPipelineLayout",
  "minUniformBufferOffsetAlignment",
  "minStorageBufferOffsetAlignment",
  "maxTextureDimension1D",
  "maxTextureDimension2D",
  "maxTextureDimension3D",
  "maxTextureArrayLayers",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/** The adapter's own values of the limits we raise, in the table's order. */
export function limitsOf(limits: GPUSupportedLimits): Record<string, number> {
  const table: Record<string, number> = {};
  for (const name of raisedLimits) {
    const value = limits[name];
    if (typeof value === "number") table[name] = value;
  }
  return table;
}

const probeLanes = 64;
const probe = `enable subgroups;
@group(0) @binding(0) var<storage, read_write> seen: array<vec2u>;
@compute @workgroup_size(${probeLanes})
fn main(@builtin(local_invocation_index) i: u32, @builtin(subgroup_size) size: u32, @builtin(subgroup_invocation_id) lane: u32) {
  seen[i] = vec2u(size, lane);
}`;

/**
 * Runs a kernel that reads the subgroup size and each invocation's lane. Gives the size if every invocation saw the same one and lanes
 * follow the invocation index, else null: then no kernel may hand values between lanes.
 */
export async function measureSubgroupSize(device: GPUDevice): Promise<number | null> {
  if (!device.features.has("subgroups")) return null;
  const bytes = probeLanes * 8;
  const seen = device.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const staging = device.createBuffer({ size: bytes, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  try {
    const module = device.createShaderModule({ label: "subgroup size probe", code: probe });
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: seen } }] }),
    );
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(seen, 0, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const rows = new Uint32Array(staging.getMappedRange().slice(0));
    staging.unmap();
    const size = rows[0] ?? 0;
    if (size === 0 || probeLanes % size !== 0) return null;
    for (let i = 0; i < probeLanes; i++) {
      if (rows[2 * i] !== size || rows[2 * i + 1] !== i % size) return null;
    }
    return size;
  } finally {
    seen.destroy();
    staging.destroy();
  }
}

const softwareName = /swiftshader|llvmpipe|lavapipe|basic render|warp/i;

/** Puts the facts of an opened device together; `subgroupSize` is what `measureSubgroupSize` found on it. */
export function adapterFacts(info: GPUAdapterInfo, device: GPUDevice, driver: string, subgroupSize: number | null): AdapterFacts {
  const words = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  const isSoftware = info.isFallbackAdapter === true || softwareName.test(words);
  // Where the driver may choose among several sizes, the probe's answer holds for the probe only.
  const constantSize = info.subgroupMinSize === info.subgroupMaxSize && subgroupSize === info.subgroupMinSize ? subgroupSize : null;
  return {
    name: (info.device || info.description || info.vendor || "unnamed adapter").replace(/-+$/, ""),
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description,
    driver,
    isSoftware,
    adapterClass: !isSoftware ? "gpu" : constantSize !== null ? "cpu-subgroups" : "cpu",
    subgroupSize: constantSize,
    features: [...device.features].sort(),
    limits: limitsOf(device.limits),
    cheapTextureLoads: isSoftware && /llvmpipe|lavapipe/i.test(words),
  };
}
