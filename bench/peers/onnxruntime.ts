import { pathToFileURL } from "node:url";
import type { Workload } from "../workloads/workload.ts";
import { modelOf } from "./onnxModel.ts";
import { type ChannelsFirst, channelsFirst, type OpenPeer, type Peer, type PeerEnvironment, type PreparedTask, permuted } from "./peer.ts";

// ONNX Runtime three times: its build for the web on the Dawn that this process offers, its native WebGPU provider, which brings its own
// Dawn, and its native CPU provider, which is a bound and no peer. A run takes its first operand from the host and gives the result back to
// it, so its times include an upload and a readback; the other operands are weights of the model.

interface OrtTensor {
  readonly data: Float32Array;
}
interface OrtSession {
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}
interface Ort {
  readonly env: { readonly wasm: { numThreads: number } };
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<OrtSession> };
  readonly Tensor: new (type: string, values: Float32Array, dims: readonly number[]) => OrtTensor;
}

export const openOnnxruntimeNode: OpenPeer = async (environment) =>
  peerOf(environment.load("onnxruntime-node") as Ort, "webgpu", environment);
export const openOnnxruntimeCpu: OpenPeer = async (environment) => peerOf(environment.load("onnxruntime-node") as Ort, "cpu", environment);
export const openOnnxruntimeWeb: OpenPeer = async (environment) => {
  copySharedWrites();
  // The build for WebGPU is not what Node would choose.
  const ort = (await import(pathToFileURL(environment.find("onnxruntime-web/dist/ort.webgpu.min.mjs")).href)) as Ort;
  ort.env.wasm.numThreads = 1;
  return peerOf(ort, "webgpu", environment);
};

function peerOf(ort: Ort, provider: "webgpu" | "cpu", { wait }: PeerEnvironment): Peer {
  // The CPU provider computes in threads of its own and wakes us when it is done.
  const quietly = <T>(promise: Promise<T>): Promise<T> => (provider === "cpu" ? promise : wait(promise));
  return {
    prepare: async (workload, inParts): Promise<PreparedTask | null> => {
      const { operands, resultDims, restored } = inParts ? channelsFirst(workload) : arranged(workload);
      const model = modelOf(workload, operands, resultDims, inParts);
      if (model === null) return null;
      const session = await quietly(ort.InferenceSession.create(model, { executionProviders: [provider], logSeverityLevel: 3 }));
      const first = operands[0]!;
      const feeds = { [first.name]: new ort.Tensor("float32", first.values, first.dims) };
      return {
        run: async () => void (await quietly(session.run(feeds))),
        output: async () => restored((await quietly(session.run(feeds))).result!.data),
        release: () => session.release(),
      };
    },
  };
}

/** Its operation for attention wants [batch, position, head and width]. */
function arranged(workload: Workload): ChannelsFirst {
  const plain = channelsFirst(workload);
  if (workload.task.kind !== "attention") return plain;
  const { heads, queries, width } = workload.task.shape;
  const operands = plain.operands.map(({ name, dims, values }) => ({
    name,
    dims: [1, dims[1]!, heads * width],
    values: permuted(values, dims, [1, 0, 2]),
  }));
  return {
    operands,
    resultDims: [1, queries, heads * width],
    restored: (values) => permuted(values, [queries, heads, width], [1, 0, 2]),
  };
}

/** The library's memory is shared between threads; Dawn's binding for Node takes no view of such memory, so it gets a copy. */
function copySharedWrites(): void {
  const { prototype } = globalThis.GPUQueue as unknown as { prototype: GPUQueue };
  const write = prototype.writeBuffer;
  prototype.writeBuffer = function (this: GPUQueue, buffer, offset, data, from = 0, size) {
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    const unit = ArrayBuffer.isView(data) && "BYTES_PER_ELEMENT" in data ? Number(data.BYTES_PER_ELEMENT) : 1;
    const end = size === undefined ? undefined : (from + size) * unit;
    return write.call(this, buffer, offset, Uint8Array.from(bytes.subarray(from * unit, end)));
  };
}
