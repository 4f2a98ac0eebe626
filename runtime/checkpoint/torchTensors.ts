import { isKind } from "./pickle.ts";
import { PickleProblem, type PickleTensor, type PickleValue } from "./pickleValues.ts";
import { makesTensor } from "./pickleWorld.ts";

// The tensors that are reachable in what a pickle builds, under names: keys and places joined with dots, parameters of a module object under
// their own. In: a value. Out: names and tensors, in the order of the file.

const deepest = 200;
const mostVisits = 2_000_000;

/** What a module object keeps besides, which is never part of it. */
const bookkeeping = /^_(?!parameters$|buffers$|modules$)/;
const insideModule = ["_parameters", "_buffers", "_modules"];

const keyText = (key: PickleValue): string | null =>
  typeof key === "string" || typeof key === "number" || typeof key === "bigint" || typeof key === "boolean" ? String(key) : null;

/** Names of tensors. What no tensor is reachable through is passed over, whatever it is. */
export function tensorsIn(root: PickleValue): Map<string, PickleTensor> {
  const found = new Map<string, PickleTensor>();
  const open = new Set<PickleValue>();
  let visits = 0;
  const visit = (value: PickleValue, name: string, depth: number): void => {
    if (isKind(value, "tensor")) {
      if (found.has(name)) throw new PickleProblem(`two tensors would be called ${name}`);
      found.set(name, value);
      return;
    }
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
    if (value.kind === "global" || value.kind === "storage" || open.has(value)) return;
    if (++visits > mostVisits) throw new PickleProblem(`it holds more than ${mostVisits} values`);
    if (depth > deepest) throw new PickleProblem(`it nests deeper than ${deepest} levels at ${name.slice(0, 80)}`);
    open.add(value);
    const at = (key: string): string => (name === "" ? key : `${name}.${key}`);
    switch (value.kind) {
      case "list":
      case "set":
      case "tuple":
        value.items.forEach((item, i) => {
          visit(item, at(String(i)), depth + 1);
        });
        break;
      case "dict":
        // The last of equal keys is the one that a dictionary keeps.
        for (const [key, item] of lastOf(value.entries)) visit(item, at(key), depth + 1);
        break;
      case "object":
        if (makesTensor(value.made))
          throw new PickleProblem(`${name} is made by ${value.made.replace(" ", ".")}, which this reader does not know`);
        for (const state of value.state) visitState(state, name, depth);
        break;
      default:
        value satisfies never;
    }
    open.delete(value);
  };
  const visitState = (state: PickleValue, name: string, depth: number): void => {
    // A class with slots has a pair for a state.
    const parts = isKind(state, "tuple") ? state.items : [state];
    for (const part of parts) {
      if (!isKind(part, "dict")) continue;
      for (const [key, item] of lastOf(part.entries)) {
        if (insideModule.includes(key)) visit(item, name, depth + 1);
        else if (!bookkeeping.test(key)) visit(item, name === "" ? key : `${name}.${key}`, depth + 1);
      }
    }
  };
  visit(root, "", 0);
  return found;
}

function lastOf(entries: readonly (readonly [PickleValue, PickleValue])[]): Map<string, PickleValue> {
  const last = new Map<string, PickleValue>();
  for (const [key, value] of entries) {
    const text = keyText(key);
    if (text !== null) last.set(text, value);
  }
  return last;
}
