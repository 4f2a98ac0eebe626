import type { Stored } from "../fuse/region.ts";
import { addConst, clamp, div, flatten, type Ix, ixConst, scale, stridesOf, unflatten } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";

// Where a value comes from in memory, without emitting anything: what layout and schedules look at to see which axis is contiguous.

export interface Access {
  readonly stored: Stored;
  readonly flat: Ix;
}

/** The read of the largest stored tensor that the value at this index needs; null if it reads none. */
export function mainAccess(
  value: Value,
  index: readonly Ix[],
  storedFor: (v: Value) => Stored | undefined,
  budget = { steps: 400 },
): Access | null {
  if (budget.steps-- <= 0) return null;
  const stored = storedFor(value);
  if (stored) return { stored, flat: flatten(index, stridesOf(stored.value.shape, stored.order)) };
  const into = argumentIndex(value, index);
  let best: Access | null = null;
  for (const [i, argument] of value.args.entries()) {
    const at = into(i);
    const access = at ? mainAccess(argument, at, storedFor, budget) : null;
    if (access && (!best || size(access) > size(best))) best = access;
  }
  return best;
}
const size = (a: Access): number => a.stored.value.shape.reduce((x, y) => x * y, 1);

/** The index at which argument `i` is read when the value is wanted at `index`; null where that is not one affine place. */
export function argumentIndex(value: Value, index: readonly Ix[]): (i: number) => readonly Ix[] | null {
  switch (value.op) {
    case "reshape": {
      const argument = unflatten(flatten(index, stridesOf(value.shape)), value.args[0]!.shape);
      return () => argument;
    }
    case "permute": {
      const argument: Ix[] = [];
      for (const [axis, from] of value.attrs.order.entries()) argument[from] = index[axis]!;
      return () => argument;
    }
    case "broadcast": {
      const { axes } = value.attrs;
      return () => axes.map((to, axis) => (value.args[0]!.shape[axis] === 1 ? ixConst(0) : index[to]!));
    }
    case "slice": {
      const { start, step } = value.attrs;
      return () => index.map((ix, axis) => addConst(scale(ix, step[axis]!), start[axis]!));
    }
    case "pad": {
      const { low, interior } = value.attrs;
      const shape = value.args[0]!.shape;
      return () => index.map((ix, a) => clamp(div(addConst(ix, -low[a]!), interior[a]! + 1), 0, shape[a]! - 1));
    }
    case "concat": {
      const axis = value.attrs.axis;
      return (i) => {
        const start = value.args.slice(0, i).reduce((sum, a) => sum + a.shape[axis]!, 0);
        const at = addConst(index[axis]!, -start);
        const size = value.args[i]!.shape[axis]!;
        return at.max < 0 || at.min >= size ? null : index.map((ix, a) => (a === axis ? clamp(at, 0, size - 1) : ix));
      };
    }
    case "gather": {
      const { axis, batch } = value.attrs;
      const own = value.args[1]!.shape.length - batch;
      return (i) =>
        i === 1
          ? [...index.slice(0, batch), ...index.slice(axis, axis + own)]
          : [...index.slice(0, axis), ixConst(0), ...index.slice(axis + own)];
    }
    case "sum":
    case "reduceMax":
    case "argmax":
    case "dot":
    case "conv":
    case "attend":
    case "attendGrad":
    case "scatterAdd":
    case "random":
    case "iota":
    case "const":
    case "table":
    case "input":
      return () => null;
    default:
      return () => index; // elementwise and markers
  }
}
