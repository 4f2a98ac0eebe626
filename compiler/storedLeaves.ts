import type { PrecisionPolicy } from "../dsl/precision.ts";
import type { Leaf } from "./elaborate/program.ts";
import type { PlanBinding, StoredTensor } from "./plan/plan.ts";
import type { AxisOrder } from "./storageOrder.ts";

// Parameters and states as checkpoints see them: their keys, shapes and places.

/** How a parameter is stored that no step changes. */
export const frozenType = (policy: PrecisionPolicy, frozen: boolean): "f32" | "f16" => (frozen ? policy.frozen : "f32");

/** What checkpoints hold of a program's leaves, and where it lies. */
export function storedLeaves(
  leaves: readonly Leaf[],
  places: ReadonlyMap<string, PlanBinding>,
  dtypeOf: (l: Leaf) => "f32" | "f16",
  orders: ReadonlyMap<string, AxisOrder>,
): StoredTensor[] {
  return leaves.map((l) => ({
    key: l.key,
    role: l.role,
    shape: l.shape,
    ...orderOf(orders, l.path),
    dtype: dtypeOf(l),
    at: places.get(l.path)!,
  }));
}
/** The order of a parameter's axes, where it is not that of its shape. */
export const orderOf = (orders: ReadonlyMap<string, AxisOrder>, path: string): { readonly order?: AxisOrder } => {
  const order = orders.get(path);
  return order ? { order } : {};
};
