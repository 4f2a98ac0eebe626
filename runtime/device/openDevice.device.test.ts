// Runs on whatever adapter the machine has, and on the embedded driver wherever that one fits.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { measureSubgroupSize } from "./adapterFacts.ts";
import { embeddedDriverFits, unpackEmbeddedDriver } from "./embeddedDriver.ts";
import { type OpenedDevice, openDevice, withErrorScopes } from "./openDevice.ts";

async function open(driver?: string): Promise<OpenedDevice> {
  const result = await openDevice(driver === undefined ? {} : { driver });
  if (!result.ok) throw new Error(`${result.reason}; ${result.help}`);
  return result;
}

/** Runs a kernel over `count` invocations that writes one u32 each, and reads them back. */
async function compute(opened: OpenedDevice, expression: string, count: number): Promise<Uint32Array> {
  const { device, wait } = opened;
  const bytes = count * 4;
  const output = device.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const staging = device.createBuffer({ size: bytes, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const code = `@group(0) @binding(0) var<storage, read_write> output: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { let i = id.x; output[i] = ${expression}; }`;
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module: device.createShaderModule({ code }) } });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: output } }] }),
  );
  pass.dispatchWorkgroups(count / 64);
  pass.end();
  encoder.copyBufferToBuffer(output, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await wait(staging.mapAsync(GPUMapMode.READ));
  return new Uint32Array(staging.getMappedRange().slice(0));
}

/** CPU time of the main thread in milliseconds (Linux), which leaves out the driver's own threads. */
function mainThreadCpu(): number {
  const fields = readFileSync(`/proc/self/task/${process.pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const drivers = embeddedDriverFits() ? [undefined, "embedded"] : [undefined];

describe.each(drivers)("driver %s", (driver) => {
  test("computes", async () => {
    const opened = await open(driver);
    const values = await compute(opened, "i * i + 7u", 4096);
    expect(values).toEqual(Uint32Array.from({ length: 4096 }, (_, i) => i * i + 7));
    opened.close();
  });

  test("tells facts that hold on the device", async () => {
    const { device, adapter, close } = await open(driver);
    expect([...device.features].sort()).toEqual(adapter.features);
    expect(adapter.limits.maxStorageBuffersPerShaderStage).toBe(device.limits.maxStorageBuffersPerShaderStage);
    expect(adapter.limits.maxStorageBuffersPerShaderStage).toBeGreaterThanOrEqual(8);
    expect(adapter.adapterClass === "gpu").toBe(!adapter.isSoftware);
    expect(adapter.adapterClass === "cpu-subgroups").toBe(adapter.isSoftware && adapter.subgroupSize !== null);
    const measured = await measureSubgroupSize(device);
    if (adapter.subgroupSize !== null) expect(measured).toBe(adapter.subgroupSize);
    close();
  });

  test("two devices live side by side, and closing one leaves the other", async () => {
    const [first, second] = await Promise.all([open(driver), open(driver)]);
    const [a, b] = await Promise.all([compute(first, "i + 1u", 64), compute(second, "i + 2u", 64)]);
    expect([a[5], b[5]]).toEqual([6, 7]);
    first.close();
    first.close();
    expect(await first.lost).toMatchObject({ reason: "destroyed" });
    expect((await compute(second, "i + 3u", 64))[5]).toBe(8);
    second.close();
  });

  test("error scopes turn a wrong shader into a message, and let values through", async () => {
    const { device, close } = await open(driver);
    const wrong = await withErrorScopes(device, "kernel k7", () => device.createShaderModule({ code: "fn main( {" }));
    expect(wrong).toMatchObject({ ok: false, kind: "validation", message: expect.stringContaining("kernel k7: ") });
    const big = await withErrorScopes(device, "slot 3", () => device.createBuffer({ size: 2 ** 45, usage: GPUBufferUsage.STORAGE }));
    expect(big.ok).toBe(false);
    const thrown = await withErrorScopes(device, "slot 4", () => Promise.reject(new Error("no room")));
    expect(thrown).toEqual({ ok: false, kind: "driver", message: "slot 4: no room" });
    expect(await withErrorScopes(device, "fine", () => 7)).toEqual({ ok: true, value: 7 });
    close();
  });

  test.runIf(process.platform === "linux")("waiting for a software adapter leaves the main thread asleep", async () => {
    const opened = await open(driver);
    if (opened.adapter.isSoftware) {
      // The same work until one run is long enough to tell sleeping from polling.
      const work = (rounds: number): string =>
        `busy(i, ${rounds}u); } fn busy(i: u32, n: u32) -> u32 { var x = i; for (var k = 0u; k < n; k++) { x = x * 1664525u + 1013904223u; } return x`;
      let rounds = 2000;
      let wall = 0;
      let busy = 0;
      while (wall < 300) {
        rounds *= 2;
        const cpuBefore = mainThreadCpu();
        const start = performance.now();
        await compute(opened, work(rounds), 65536);
        wall = performance.now() - start;
        busy = mainThreadCpu() - cpuBefore;
      }
      expect(busy / wall).toBeLessThan(0.5);
    }
    opened.close();
  });
});

describe("choice of driver", () => {
  test.runIf(embeddedDriverFits())("a forced driver is the one that is used, by its name or by the path of its ICD file", async () => {
    const byName = await open("embedded");
    expect(byName.adapter).toMatchObject({ driver: "embedded", architecture: "swiftshader", isSoftware: true, cheapTextureLoads: false });
    const unpacked = await unpackEmbeddedDriver();
    if (!unpacked.ok) throw new Error(unpacked.reason);
    const byPath = await open(unpacked.driver.icd);
    expect(byPath.adapter).toMatchObject({ driver: unpacked.driver.icd, architecture: "swiftshader" });
    byName.close();
    byPath.close();
  });

  test.runIf(embeddedDriverFits())("a forced driver does not stick: the next choice is as free as before", async () => {
    const free = await open();
    const forced = await open("embedded");
    const again = await open();
    expect(again.adapter).toEqual(free.adapter);
    for (const opened of [free, forced, again]) opened.close();
  });

  test("a driver that is not there is refused with what to write instead", async () => {
    const result = await openDevice({ driver: "/no/such/icd.json" });
    expect(result).toMatchObject({
      ok: false,
      reason: expect.stringContaining("/no/such/icd.json"),
      help: expect.stringContaining("ADA_DRIVER"),
    });
  });
});

describe("a process of its own", () => {
  const built = join(import.meta.dirname, "../../dist/runtime/device/openDevice.js");
  const run = async (body: string, env: NodeJS.ProcessEnv = {}): Promise<string> => {
    if (!existsSync(built)) throw new Error("dist/ is not built: run `npm run build` first");
    const script = `import { openDevice } from ${JSON.stringify(pathToFileURL(built).href)};\n${body}`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
      env: { ...process.env, ...env },
      timeout: 30_000,
    });
    return stdout.trim();
  };

  test.each([
    ["after closing its device", "const r = await openDevice(); r.close(); console.log(r.ok);"],
    ["with a device left open", "const r = await openDevice(); console.log(r.ok);"],
    ["with an operation pending", "const r = await openDevice(); r.device.queue.onSubmittedWorkDone(); console.log(r.ok);"],
  ])("ends by itself %s", async (_, body) => {
    expect(await run(body)).toBe("true");
  });

  test.runIf(embeddedDriverFits())("obeys ADA_DRIVER", async () => {
    const body = "const r = await openDevice(); console.log(r.ok ? r.adapter.driver : r.reason);";
    expect(await run(body, { ADA_DRIVER: "embedded" })).toBe("embedded");
    expect(await run(body, { ADA_DRIVER: "/no/such/icd.json" })).toContain("/no/such/icd.json");
  });

  test.runIf(embeddedDriverFits())("falls back to the embedded driver where the system has none", async () => {
    const body = "const r = await openDevice(); console.log(r.ok ? r.adapter.driver : r.reason);";
    // A driver list that names nothing is what a machine without drivers looks like.
    expect(await run(body, { ADA_DRIVER: "", VK_DRIVER_FILES: "/no/such/icd.json" })).toBe("embedded");
  });
});
