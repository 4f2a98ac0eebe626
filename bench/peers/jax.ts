import { valuesOf } from "../values.ts";
import type { Workload } from "../workloads.ts";
import { type OpenPeer, type PreparedTask, permuted, toChannelsFirst, toChannelsLast, weightsToOutputsFirst } from "./peer.ts";

// jax-js on WebGPU. Every use of an array takes it away: `.ref` keeps one.

interface JaxArray {
  readonly ref: JaxArray;
  readonly shape: readonly number[];
  mul(other: JaxArray | number): JaxArray;
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray | number): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<Float32Array>;
  dispose(): void;
}
type JaxFunction = (...args: JaxArray[]) => JaxArray;
interface Jax {
  init(backend: string): Promise<unknown>;
  defaultDevice(backend: string): void;
  jit(f: JaxFunction): JaxFunction;
  blockUntilReady(value: JaxArray): Promise<unknown>;
  readonly numpy: {
    array(values: Float32Array): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    square(x: JaxArray): JaxArray;
  };
  readonly nn: {
    standardize(x: JaxArray, axis: number, options: { readonly epsilon: number }): JaxArray;
    softmax(x: JaxArray, axis: number): JaxArray;
    relu(x: JaxArray): JaxArray;
  };
  readonly lax: { conv(x: JaxArray, w: JaxArray, strides: readonly number[], padding: string): JaxArray };
}

export const openJax: OpenPeer = async ({ load, wait }) => {
  const jax = load("@jax-js/jax") as Jax;
  await jax.init("webgpu");
  jax.defaultDevice("webgpu");
  const functionOf = ({ task }: Workload): JaxFunction | null => {
    switch (task.kind) {
      case "matmul":
        return (a, b) => jax.numpy.matmul(a!, b!);
      case "conv":
        return (x, w) => jax.lax.conv(x!, w!, [1, 1], "SAME");
      case "layerNorm":
        return (x, scale, shift) => jax.nn.standardize(x!, -1, { epsilon: 1e-5 }).mul(scale!).add(shift!);
      case "softmax":
        return (x) => jax.nn.softmax(x!, -1);
      case "chain":
        return (x) =>
          jax.numpy
            .square(jax.nn.relu(x!.ref.mul(1.01).add(0.1).mul(x!.ref).sub(0.5)))
            .add(x!)
            .mul(0.5);
      case "convDataGradient":
      case "convWeightGradient":
        return null;
      default:
        return task satisfies never;
    }
  };
  return {
    prepare: async (workload): Promise<PreparedTask | null> => {
      const body = functionOf(workload);
      if (body === null) return null;
      const isConv = workload.task.kind === "conv";
      const args = workload.inputs.map(({ shape, stream }, i) => {
        const values = valuesOf(
          stream,
          shape.reduce((a, b) => a * b, 1),
        );
        if (!isConv) return jax.numpy.array(values).reshape(shape);
        const order = i === 0 ? toChannelsFirst : weightsToOutputsFirst;
        return jax.numpy.array(permuted(values, shape, order)).reshape(order.map((axis) => shape[axis]!));
      });
      for (const arg of args) await wait(jax.blockUntilReady(arg));
      const compiled = jax.jit(body);
      const call = () => compiled(...args.map((arg) => arg.ref));
      return {
        run: async () => {
          const result = call();
          await wait(jax.blockUntilReady(result));
          result.dispose();
        },
        output: async () => {
          const result = call();
          const { shape } = result;
          const values = await wait(result.data());
          return isConv ? permuted(values, shape, toChannelsLast) : values;
        },
        release: () => {
          for (const arg of args) arg.dispose();
        },
      };
    },
  };
};
