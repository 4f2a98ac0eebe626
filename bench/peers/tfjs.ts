import { valuesOf } from "../values.ts";
import type { Workload } from "../workloads.ts";
import type { OpenPeer, PreparedTask } from "./peer.ts";

// TensorFlow.js with its WebGPU backend. Its layouts are ours.

interface Tensor {
  mul(other: Tensor | number): Tensor;
  add(other: Tensor | number): Tensor;
  sub(other: Tensor | number): Tensor;
  relu(): Tensor;
  square(): Tensor;
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Tfjs {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): { endComputePassEncoder(): void; submitQueue(): void; readonly device: GPUDevice };
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  tidy(body: () => Tensor): Tensor;
  matMul(a: Tensor, b: Tensor): Tensor;
  conv2d(x: Tensor, w: Tensor, stride: number, padding: string, layout: string): Tensor;
  conv2dTranspose(g: Tensor, w: Tensor, shape: readonly number[], stride: number, padding: string): Tensor;
  moments(x: Tensor, axis: number, keep: boolean): { readonly mean: Tensor; readonly variance: Tensor };
  rsqrt(x: Tensor): Tensor;
  softmax(x: Tensor): Tensor;
}

export const openTfjs: OpenPeer = async ({ load, wait }) => {
  const tf = load("@tensorflow/tfjs") as Tfjs;
  load("@tensorflow/tfjs-backend-webgpu");
  if (!(await wait(tf.setBackend("webgpu")))) throw new Error("the webgpu backend does not start");
  await tf.ready();
  const backend = tf.backend();
  const functionOf = ({ task }: Workload, args: readonly Tensor[]): (() => Tensor) | null => {
    const [x, y, z] = args as [Tensor, Tensor, Tensor];
    switch (task.kind) {
      case "matmul":
        return () => tf.matMul(x, y);
      case "conv":
        return () => tf.conv2d(x, y, 1, "same", "NHWC");
      case "convDataGradient": {
        const { batch, height, width, inputs } = task.shape;
        return () => tf.conv2dTranspose(x, y, [batch, height, width, inputs], 1, "same");
      }
      case "convWeightGradient":
        return null;
      case "layerNorm":
        return () => {
          const { mean, variance } = tf.moments(x, -1, true);
          return x
            .sub(mean)
            .mul(tf.rsqrt(variance.add(1e-5)))
            .mul(y)
            .add(z);
        };
      case "softmax":
        return () => tf.softmax(x);
      case "chain":
        return () => x.mul(1.01).add(0.1).mul(x).sub(0.5).relu().square().add(x).mul(0.5);
      default:
        return task satisfies never;
    }
  };
  return {
    prepare: async (workload): Promise<PreparedTask | null> => {
      const args = workload.inputs.map(({ shape, stream }) =>
        tf.tensor(
          valuesOf(
            stream,
            shape.reduce((a, b) => a * b, 1),
          ),
          shape,
        ),
      );
      const body = functionOf(workload, args);
      if (body === null) return null;
      return {
        run: async () => {
          const result = tf.tidy(body);
          // Without the end of its pass the command buffer is invalid, and the time would be that of nothing.
          backend.endComputePassEncoder();
          backend.submitQueue();
          await wait(backend.device.queue.onSubmittedWorkDone());
          result.dispose();
        },
        output: () => wait(tf.tidy(body).data()),
        release: () => {
          for (const arg of args) arg.dispose();
        },
      };
    },
  };
};
