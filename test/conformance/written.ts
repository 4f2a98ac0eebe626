import type { NdArray } from "../../compiler/ir/ops/row.ts";

/** How a recorded call is written in `.ada`. */
export interface Written {
  /** A whole file that defines `fn case(…)`; what it returns is one tensor, or a record. */
  readonly text: string;
  /**
   * Arguments of `case` in order: tensor name in the case -> its axis names (`"b c h w"`). The argument's name is the tensor's without its
   * prefix, dots as underscores (`param.fc1.weight` -> `fc1_weight`). Parameters of a `model` in the file are not arguments: they are
   * filled from `param.<last name of their path>` (or `input.…` for running statistics).
   */
  readonly args: Readonly<Record<string, string>>;
  /** Recorded output -> field of the returned record, or "" for a plain result. Default: `y` is the plain result. */
  readonly outputs?: Readonly<Record<string, string>>;
  /** Recorded output -> state of the model whose new value it is (last name of its path). */
  readonly states?: Readonly<Record<string, string>>;
  /** What `training` is inside modules; by default as the models are marked. */
  readonly training?: boolean;
}
export interface Unsupported {
  readonly unsupported: string;
}
export type Config = Readonly<Record<string, unknown>>;
export type Tensors = Readonly<Record<string, NdArray>>;
/** One row per kind: from config and tensors to text. */
export type KindTable = Readonly<Record<string, (config: Config, tensors: Tensors) => Written | Unsupported>>;

/** Axis names for a tensor of any rank: `a0 a1 a2`. */
export function axesOf(tensor: NdArray | undefined, prefix = "a"): string[] {
  return (tensor?.shape ?? []).map((_, i) => `${prefix}${i}`);
}
