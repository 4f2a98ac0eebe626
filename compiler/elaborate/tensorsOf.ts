import type { TensorVal, Val } from "./values.ts";

// The tensors of a value, through records and lists, in order.

/** The value with other tensors. */
export function mapTensors(val: Val, change: (t: TensorVal) => TensorVal): Val {
  switch (val.kind) {
    case "tensor":
      return change(val);
    case "list":
    case "tuple":
      return { ...val, items: val.items.map((item) => mapTensors(item, change)) };
    case "record":
      return { ...val, fields: new Map([...val.fields].map(([name, field]) => [name, mapTensors(field, change)])) };
    default:
      return val;
  }
}

/** The tensors alone. */
export function tensorsOf(val: Val): TensorVal[] {
  const found: TensorVal[] = [];
  mapTensors(val, (t) => {
    found.push(t);
    return t;
  });
  return found;
}
