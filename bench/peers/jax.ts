import { clipCompared, clipParameters, clipRate } from "../workloads/clip.ts";
import type { LayerShape, Workload } from "../workloads/workload.ts";
import { channelsFirst, type OpenPeer, type PreparedTask } from "./peer.ts";

// jax-js on WebGPU. Every use of an array takes it away: `.ref` keeps one.

interface JaxArray {
  readonly ref: JaxArray;
  mul(other: JaxArray | number): JaxArray;
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray | number): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  transpose(order: readonly number[]): JaxArray;
  data(): Promise<Float32Array>;
  dispose(): void;
}
type Named = Record<string, JaxArray>;
type JaxFunction = (...args: JaxArray[]) => JaxArray | Named;
interface Jax {
  init(backend: string): Promise<unknown>;
  defaultDevice(backend: string): void;
  jit(f: JaxFunction): JaxFunction;
  grad<T extends JaxArray | Named>(f: (x: T) => JaxArray): (x: T) => T;
  blockUntilReady(value: JaxArray | Named): Promise<unknown>;
  readonly numpy: {
    array(values: Float32Array): JaxArray;
    zeros(shape: readonly number[]): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    square(x: JaxArray): JaxArray;
    tanh(x: JaxArray): JaxArray;
    sum(x: JaxArray): JaxArray;
    mean(x: JaxArray): JaxArray;
  };
  readonly nn: {
    standardize(x: JaxArray, axis: number, options: { readonly epsilon: number }): JaxArray;
    softmax(x: JaxArray, axis: number): JaxArray;
    relu(x: JaxArray): JaxArray;
    sigmoid(x: JaxArray): JaxArray;
    silu(x: JaxArray): JaxArray;
  };
  readonly lax: { conv(x: JaxArray, w: JaxArray, strides: readonly number[], padding: string): JaxArray };
}

const epsilon = { epsilon: 1e-5 };

export const openJax: OpenPeer = async ({ load, wait }) => {
  const jax = load("@jax-js/jax") as Jax;
  await jax.init("webgpu");
  jax.defaultDevice("webgpu");
  const { numpy, nn } = jax;
  const conv = (x: JaxArray, w: JaxArray): JaxArray => jax.lax.conv(x, w, [1, 1], "SAME");
  const attention = (q: JaxArray, k: JaxArray, v: JaxArray, width: number, mask?: JaxArray): JaxArray => {
    const scores = numpy.matmul(q, k.transpose([0, 2, 1])).mul(1 / Math.sqrt(width));
    return numpy.matmul(nn.softmax(mask === undefined ? scores : scores.add(mask), -1), v);
  };
  const clipLayer = ({ tokens, width, heads }: LayerShape, p: Named, x: JaxArray, mask: JaxArray): JaxArray => {
    const norm = (y: JaxArray, n: 1 | 2): JaxArray => nn.standardize(y, -1, epsilon).mul(p[`scale${n}`]!).add(p[`shift${n}`]!);
    const linear = (y: JaxArray, name: string): JaxArray => numpy.matmul(y, p[name]!).add(p[`${name}Bias`]!);
    const split = (y: JaxArray): JaxArray => y.reshape([tokens, heads, width / heads]).transpose([1, 0, 2]);
    const h = norm(x.ref, 1);
    const mixed = attention(split(linear(h.ref, "query")), split(linear(h.ref, "key")), split(linear(h, "value")), width / heads, mask);
    const y = x.add(linear(mixed.transpose([1, 0, 2]).reshape([tokens, width]), "out"));
    const up = linear(norm(y.ref, 2), "up");
    return y.add(linear(up.ref.mul(nn.sigmoid(up.mul(1.702))), "down"));
  };
  const kept = (named: Named): Named => Object.fromEntries(Object.entries(named).map(([name, value]) => [name, value.ref]));

  const functionOf = ({ task, inputs }: Workload, resultDims: readonly number[]): JaxFunction => {
    switch (task.kind) {
      case "matmul":
        return (a, b) => numpy.matmul(a!, b!);
      case "conv":
        return (x, w) => conv(x!, w!);
      case "convDataGradient":
        return (g, w) => jax.grad((x: JaxArray) => numpy.sum(conv(x, w!).mul(g!)))(numpy.zeros(resultDims));
      case "convWeightGradient":
        return (x, g) => jax.grad((w: JaxArray) => numpy.sum(conv(x!, w).mul(g!)))(numpy.zeros(resultDims));
      case "attention":
        return (q, k, v) => attention(q!, k!, v!, task.shape.width);
      case "layerNorm":
        return (x, scale, shift) => nn.standardize(x!, -1, epsilon).mul(scale!).add(shift!);
      case "groupNormSilu": {
        const { channels, height, width, groups } = task.shape;
        return (x, scale, shift) => {
          const unit = nn.standardize(x!.reshape([groups, (channels / groups) * height * width]), -1, epsilon);
          const scaled = unit.reshape([channels, height * width]).mul(scale!.reshape([channels, 1]));
          return nn.silu(scaled.add(shift!.reshape([channels, 1]))).reshape([channels, height, width]);
        };
      }
      case "softmax":
        return (x) => nn.softmax(x!, -1);
      case "chain":
        return (x) =>
          numpy
            .square(nn.relu(x!.ref.mul(1.01).add(0.1).mul(x!.ref).sub(0.5)))
            .add(x!)
            .mul(0.5);
      case "costlyChain":
        return (z) => numpy.square(nn.sigmoid(nn.relu(numpy.tanh(z!.ref.mul(1.01).add(0.1)).mul(z!).sub(0.5))));
      case "clipLayer":
      case "clipTraining": {
        const named = (args: readonly JaxArray[]): Named => Object.fromEntries(args.map((arg, i) => [inputs[i]!.name, arg]));
        const names = clipParameters(task.shape).map(([name]) => name);
        const parametersOf = (all: Named): Named => Object.fromEntries(names.map((name) => [name, all[name]!]));
        if (task.kind === "clipLayer")
          return (...args) => {
            const all = named(args);
            return clipLayer(task.shape, parametersOf(all), all.x!, all.mask!);
          };
        return (...args) => {
          const all = named(args);
          const parameters = parametersOf(all);
          const loss = (p: Named): JaxArray => numpy.mean(numpy.square(clipLayer(task.shape, p, all.x!, all.mask!).sub(all.target!)));
          const gradients = jax.grad(loss)(kept(parameters));
          return Object.fromEntries(names.map((name) => [name, parameters[name]!.sub(gradients[name]!.mul(clipRate))]));
        };
      }
      default:
        return task satisfies never;
    }
  };
  return {
    prepare: async (workload): Promise<PreparedTask> => {
      const { operands, resultDims, restored } = channelsFirst(workload);
      const args = operands.map(({ values, dims }) => numpy.array(values).reshape(dims));
      for (const arg of args) await wait(jax.blockUntilReady(arg));
      const compiled = jax.jit(functionOf(workload, resultDims));
      const call = () => compiled(...args.map((arg) => arg.ref));
      const arraysOf = (result: JaxArray | Named): JaxArray[] =>
        workload.task.kind === "clipTraining" ? Object.values(result as Named) : [result as JaxArray];
      return {
        run: async () => {
          const result = call();
          await wait(jax.blockUntilReady(result));
          for (const array of arraysOf(result)) array.dispose();
        },
        output: async () => {
          const result = call();
          const compared = workload.task.kind === "clipTraining" ? (result as Named)[clipCompared]! : (result as JaxArray);
          const others = arraysOf(result).filter((array) => array !== compared);
          const values = await wait(compared.data());
          for (const array of others) array.dispose();
          return restored(values);
        },
        release: () => {
          for (const arg of args) arg.dispose();
        },
      };
    },
  };
};
