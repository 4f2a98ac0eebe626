import { clipCompared, clipParameters, clipRate } from "../workloads/clip.ts";
import { type LayerShape, numbersOf, type Workload } from "../workloads/workload.ts";
import type { OpenPeer, PreparedTask } from "./peer.ts";

// TensorFlow.js with its WebGPU backend. Its layouts are ours.

interface Tensor {
  readonly shape: readonly number[];
  mul(other: Tensor | number): Tensor;
  add(other: Tensor | number): Tensor;
  sub(other: Tensor | number): Tensor;
  matMul(other: Tensor): Tensor;
  reshape(shape: readonly number[]): Tensor;
  transpose(order: readonly number[]): Tensor;
  relu(): Tensor;
  tanh(): Tensor;
  sigmoid(): Tensor;
  square(): Tensor;
  mean(): Tensor;
  data(): Promise<Float32Array>;
  dispose(): void;
}
type Named = Readonly<Record<string, Tensor>>;
interface Tfjs {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): { endComputePassEncoder(): void; submitQueue(): void; readonly device: GPUDevice };
  engine(): { runKernel(name: string, inputs: Named, attributes: object): Tensor };
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  tidy<T extends Tensor | Tensor[]>(body: () => T): T;
  grads(f: (...args: Tensor[]) => Tensor): (args: readonly Tensor[]) => Tensor[];
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
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
  const standardized = (x: Tensor): Tensor => {
    const { mean, variance } = tf.moments(x, -1, true);
    return x.sub(mean).mul(tf.rsqrt(variance.add(1e-5)));
  };
  const attention = (q: Tensor, k: Tensor, v: Tensor, width: number, mask?: Tensor): Tensor => {
    const scores = tf.matMul(q, k, false, true).mul(1 / Math.sqrt(width));
    return tf.matMul(tf.softmax(mask === undefined ? scores : scores.add(mask)), v);
  };
  const clipLayer = ({ tokens, width, heads }: LayerShape, p: Named, first: Tensor, mask: Tensor): Tensor => {
    const norm = (y: Tensor, n: 1 | 2): Tensor => standardized(y).mul(p[`scale${n}`]!).add(p[`shift${n}`]!);
    const linear = (y: Tensor, name: string): Tensor => y.matMul(p[name]!).add(p[`${name}Bias`]!);
    const split = (y: Tensor): Tensor => y.reshape([tokens, heads, width / heads]).transpose([1, 0, 2]);
    const h = norm(first, 1);
    const [q, k, v] = ["query", "key", "value"].map((name) => split(linear(h, name))) as [Tensor, Tensor, Tensor];
    const mixed = attention(q, k, v, width / heads, mask);
    const x = first.add(linear(mixed.transpose([1, 0, 2]).reshape([tokens, width]), "out"));
    const up = linear(norm(x, 2), "up");
    return x.add(linear(up.mul(up.mul(1.702).sigmoid()), "down"));
  };

  const functionOf = ({ task, inputs }: Workload, args: readonly Tensor[]): (() => Tensor | Tensor[]) => {
    const [x, y, z] = args as [Tensor, Tensor, Tensor];
    switch (task.kind) {
      case "matmul":
        return () => tf.matMul(x, y);
      case "conv":
        return () => tf.conv2d(x, y, 1, "same", "NHWC");
      case "convDataGradient": {
        const { batch, height, width, inputs: channels } = task.shape;
        return () => tf.conv2dTranspose(x, y, [batch, height, width, channels], 1, "same");
      }
      case "convWeightGradient": {
        const { inputs: channels, outputs } = task.shape;
        const attributes = {
          strides: [1, 1],
          pad: "same",
          dataFormat: "NHWC",
          dimRoundingMode: undefined,
          filterShape: [3, 3, channels, outputs],
        };
        return () => tf.engine().runKernel("Conv2DBackpropFilter", { x, dy: y }, attributes);
      }
      case "attention":
        return () => attention(x, y, z, task.shape.width);
      case "layerNorm":
        return () => standardized(x).mul(y).add(z);
      case "groupNormSilu": {
        const { channels, height, width, groups } = task.shape;
        return () => {
          const unit = standardized(x.reshape([groups, (channels / groups) * height * width])).reshape([channels, height * width]);
          const scaled = unit.mul(y.reshape([channels, 1])).add(z.reshape([channels, 1]));
          return scaled.mul(scaled.sigmoid()).reshape([channels, height, width]);
        };
      }
      case "softmax":
        return () => tf.softmax(x);
      case "chain":
        return () => x.mul(1.01).add(0.1).mul(x).sub(0.5).relu().square().add(x).mul(0.5);
      case "costlyChain":
        return () => x.mul(1.01).add(0.1).tanh().mul(x).sub(0.5).relu().sigmoid().square();
      case "clipLayer":
      case "clipTraining": {
        const all: Named = Object.fromEntries(args.map((arg, i) => [inputs[i]!.name, arg]));
        const names = clipParameters(task.shape).map(([name]) => name);
        if (task.kind === "clipLayer") return () => clipLayer(task.shape, all, all.x!, all.mask!);
        const loss = (...parameters: Tensor[]): Tensor => {
          const named = Object.fromEntries(names.map((name, i) => [name, parameters[i]!]));
          return clipLayer(task.shape, named, all.x!, all.mask!).sub(all.target!).square().mean();
        };
        return () => {
          const gradients = tf.grads(loss)(names.map((name) => all[name]!));
          return names.map((name, i) => all[name]!.sub(gradients[i]!.mul(clipRate)));
        };
      }
      default:
        return task satisfies never;
    }
  };
  return {
    prepare: async (workload): Promise<PreparedTask> => {
      const args = workload.inputs.map((input) => tf.tensor(numbersOf(input), input.shape));
      const body = functionOf(workload, args);
      const compute = (): Tensor[] => [tf.tidy(body)].flat();
      const compared =
        workload.task.kind === "clipTraining" ? clipParameters(workload.task.shape).findIndex(([name]) => name === clipCompared) : 0;
      return {
        run: async () => {
          const results = compute();
          // Without the end of its pass the command buffer is invalid, and the time would be that of nothing.
          backend.endComputePassEncoder();
          backend.submitQueue();
          await wait(backend.device.queue.onSubmittedWorkDone());
          for (const result of results) result.dispose();
        },
        output: async () => {
          const results = compute();
          const values = await wait(results[compared]!.data());
          for (const result of results) result.dispose();
          return values;
        },
        release: () => {
          for (const arg of args) arg.dispose();
        },
      };
    },
  };
};
