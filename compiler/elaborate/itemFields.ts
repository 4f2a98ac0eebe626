import type { DatasetItem, DatasetMember, TypeNode } from "../../dsl/ast.ts";
import { batched } from "../ir/batched.ts";
import type { DType, Value } from "../ir/value.ts";
import { rebuild, topologicalOrder } from "../ir/walk.ts";
import type { HostExpr } from "../plan/host.ts";
import type { PlanField } from "../plan/plan.ts";
import { castTo, toTensor } from "./arithmetic.ts";
import { evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import { fromHost, hostKey, scalarType, toHost } from "./hostExpr.ts";
import { itemFact, pictureField, pictureOf } from "./itemPictures.ts";
import type { Scope } from "./scope.ts";
import type { ItemInputs, Session } from "./session.ts";
import { sizeOf } from "./sizes.ts";
import {
  describe,
  describeTensor,
  type HostVal,
  isScalar,
  type PictureVal,
  plainAxis,
  type TensorVal,
  tensor,
  type Val,
} from "./values.ts";

// The fields of a data set. A field is evaluated once, for one item: files, bytes of pictures and values known on the host stay with the host
// (`loaded`, `host`); whatever is computed from them is a graph of one item (`computed`), which becomes part of the graph of the step that
// reads it, for all items of the batch at once. Invariant: a field gives the same for an item whoever reads it and however often.

type Field = Extract<DatasetMember, { kind: "fieldDecl" }>;

/** What a field is made of. `axes` are those of one item. */
export type MadeField =
  | { readonly kind: "loaded"; readonly spec: PlanField; readonly axes: readonly string[] }
  | { readonly kind: "computed"; readonly value: Value; readonly axes: readonly string[] };

/** The type of a field as sizes: `dtype` null is a text. */
interface Declared {
  readonly type: Extract<TypeNode, { kind: "namedType" }>;
  readonly axes: readonly string[];
  readonly shape: readonly number[];
}
const hostTypes = { Text: "text", Path: "text", Bool: "bool", Int: "i32", i32: "i32", f32: "f32", real: "f32", Real: "f32" } as const;

export class ItemFields {
  readonly item: DatasetItem;
  readonly #scope: Scope;
  readonly #declared: ReadonlyMap<string, Field>;
  readonly #made = new Map<string, { readonly val: Val; readonly field: MadeField }>();
  readonly #lets = new Map<string, Val>();
  /** Fields that nobody declared: pictures and numbers inside of expressions. */
  readonly #hidden = new Map<string, PlanField>();
  readonly #hiddenByKey = new Map<string, string>();
  readonly #inputs = new Map<string, string>(); // input of the graph of one item -> field
  readonly #under: string[] = [];

  constructor(item: DatasetItem, scope: Scope) {
    this.item = item;
    this.#declared = new Map(item.members.flatMap((m) => (m.kind === "fieldDecl" ? [[m.name.name, m] as const] : [])));
    const lets = new Map(item.members.flatMap((m) => (m.kind === "letMember" ? [[m.name.name, m] as const] : [])));
    const params = new Set(item.params.map((p) => p.name.name));
    const inner: Scope = scope.child({
      resolve: (name) => {
        if (params.has(name)) return undefined;
        if (lets.has(name)) {
          const known = this.#lets.get(name) ?? this.#within(name, () => evaluate(lets.get(name)!.value, inner));
          this.#lets.set(name, known);
          return known;
        }
        // A field may say `field subject: Text = subject`: inside of itself the name is what the data set calls so.
        return this.#declared.has(name) && this.#under.at(-1) !== name ? this.#evaluated(name).val : undefined;
      },
      names: () => [...lets.keys(), ...this.#declared.keys()],
    });
    this.#scope = inner;
  }
  get scope(): Scope {
    return this.#scope;
  }
  get #session(): Session {
    return this.#scope.session;
  }

  /** What a declared field is made of. */
  made(name: string): MadeField {
    return this.#evaluated(name).field;
  }
  /** The field of the plan with this name, declared or not. */
  spec(name: string): PlanField {
    const hidden = this.#hidden.get(name);
    if (hidden) return hidden;
    const made = this.made(name);
    if (made.kind !== "loaded") throw new Error(`internal: the host does not make the field ${name}`);
    return made.spec;
  }
  /** Names of the fields that nobody declared, in the order in which they were needed. */
  get hidden(): Iterable<string> {
    return this.#hidden.keys();
  }

  /** A computed field for a batch, or for its first item alone; `input` is the tensor of a loaded field, its items outermost. */
  lifted(value: Value, batch: number, firstOnly: boolean, input: (name: string) => Value): Value {
    const { builder } = this.#session;
    const field = (name: string) => this.#inputs.get(name);
    if (!firstOnly) {
      return batched(builder, value, batch, (name) => {
        const from = field(name);
        return from === undefined ? null : input(from);
      });
    }
    const graph = rebuild({ name: "item", results: [{ name: "value", value }] }, builder, (v) => {
      const from = v.op === "input" ? field(v.attrs.name) : undefined;
      return from === undefined ? null : builder.reshape(builder.sliceAxis(input(from), 0, 0, 1), v.shape, v.labels);
    });
    return graph.results[0]!.value;
  }
  /** The loaded fields that a computed value needs. */
  needs(value: Value): string[] {
    return topologicalOrder([value]).flatMap((v) => (v.op === "input" ? (this.#inputs.get(v.attrs.name) ?? []) : []));
  }

  /** Evaluates a member on its own: its draws are called after it, nothing of the step that asks is seen. */
  #within<T>(name: string, fn: () => T): T {
    const session = this.#session;
    const before = { choices: session.choices, items: session.items, taps: session.taps };
    const at = this.#under.indexOf(name);
    if (at >= 0) {
      const path = [...this.#under.slice(at), name].join(" -> ");
      const member = this.item.members.find((m) => (m.kind === "fieldDecl" || m.kind === "letMember") && m.name.name === name)!;
      fail("data/field-cycle", member.span, { path });
    }
    this.#under.push(name);
    session.choices = null;
    session.taps = null;
    session.items = this.#itemInputs;
    try {
      return session.inBody("dataset", [this.item.name.name, name], fn).value;
    } finally {
      Object.assign(session, before);
      this.#under.pop();
    }
  }

  readonly #itemInputs: ItemInputs = {
    host: (expr, dtype) => {
      const type = dtype === "f32" ? "f32" : "i32";
      const name = this.#hide(`${type}:${hostKey(expr)}`, (hidden) => ({ name: hidden, kind: "made", type, value: expr }));
      const made = this.#input(name, [], [], type);
      return dtype === "u32" ? this.#session.builder.cast(made, "u32") : made;
    },
    picture: (picture) => {
      const [height, width] = picture.size!;
      const channels = picture.isGrey ? 1 : 3;
      const key = JSON.stringify(picture);
      const name = this.#hide(key, (hidden) => pictureField(hidden, picture, [channels, height, width]));
      const axes = picture.isGrey ? ["h", "w"] : ["c", "h", "w"];
      const shape = picture.isGrey ? [height, width] : [3, height, width];
      return { ...tensor(this.#input(name, shape, axes, "f32"), axes), picture };
    },
  };

  /** A field that is nobody's, called after the member that needs it. */
  #hide(key: string, make: (name: string) => PlanField): string {
    const known = this.#hiddenByKey.get(key);
    if (known !== undefined) return known;
    const owner = this.#under.at(-1) ?? this.item.name.name;
    let number = 1;
    while (this.#hidden.has(`${owner}~${number}`)) number++;
    const name = `${owner}~${number}`;
    this.#hidden.set(name, make(name));
    this.#hiddenByKey.set(key, name);
    return name;
  }

  #input(field: string, shape: readonly number[], labels: readonly string[], dtype: DType): Value {
    const name = `${this.item.name.name}.item.${field}`;
    this.#inputs.set(name, field);
    return this.#session.builder.input(name, shape, { role: "data", dtype, labels });
  }

  #evaluated(name: string): { readonly val: Val; readonly field: MadeField } {
    const known = this.#made.get(name);
    if (known) return known;
    const field = this.#declared.get(name)!;
    const made = this.#within(name, () => {
      const declared = this.#typeOf(field);
      return this.#settle(name, field, declared, evaluate(field.value, this.#scope));
    });
    this.#made.set(name, made);
    return made;
  }

  #typeOf(field: Field): Declared {
    const { type } = field;
    if (type.kind !== "namedType") fail("type/mismatch", type.span, { found: "this type", expected: "a tensor, `Int`, `Bool` or `Text`" });
    const axes = (type.axes ?? []).map((axis) => {
      if (axis.kind === "rowAxis") return fail("type/mismatch", axis.span, { found: "a row", expected: "an axis with its size" });
      return { name: axis.name?.name ?? (axis.value as { name: string }).name, size: sizeOf(axis.value, this.#scope) };
    });
    return { type, axes: axes.map((axis) => axis.name), shape: axes.map((axis) => axis.size) };
  }

  #settle(name: string, field: Field, declared: Declared, val: Val): { readonly val: Val; readonly field: MadeField } {
    const picture = pictureOf(val);
    const { type, axes, shape } = declared;
    if (picture !== null && shape.length > 0) return this.#loadedPicture(name, field, declared, picture);
    const dtype = Object.hasOwn(hostTypes, type.name.name) ? hostTypes[type.name.name as keyof typeof hostTypes] : undefined;
    if (dtype === undefined)
      fail("type/mismatch", type.span, { found: `\`${type.name.name}\``, expected: "a tensor, `Bool`, `Int` or `Text`" });
    if (isScalar(val) && shape.length === 0) return this.#hostField(name, field, type, dtype, toHost(val), scalarType(val)!);
    if (dtype === "text" || !(val.kind === "tensor" || (isScalar(val) && scalarType(val) !== "text")))
      fail("type/mismatch", field.value.span, { found: describe(val), expected: `a value of the type \`${type.name.name}\`` });
    const session = this.#session;
    const x = castTo(session, val.kind === "tensor" ? val : toTensor(session, val, dtype), dtype);
    const { value } = x;
    if (value.shape.length !== shape.length || value.shape.some((size, i) => size !== shape[i])) this.#unlike(field, x, declared);
    return { val: tensor(value, axes), field: { kind: "computed", value, axes } };
  }

  #unlike(field: Field, x: TensorVal, { axes, shape }: Declared): never {
    const expected = `\`[${axes.map((axis, i) => `${plainAxis(axis)}: ${shape[i]}`).join(", ")}]\`, as declared`;
    fail(
      "type/mismatch",
      field.value.span,
      { found: describeTensor(x), expected },
      { related: [{ span: field.type.span, label: "declared here" }] },
    );
  }

  #loadedPicture(name: string, field: Field, { type, axes, shape }: Declared, picture: PictureVal) {
    const channels = shape.length === 3 ? shape[0] : 1;
    const [height, width] = shape.slice(-2);
    if (shape.length < 2 || shape.length > 3 || (channels !== 1 && channels !== 3)) {
      fail("type/mismatch", type.span, { found: "this type", expected: "`f32[c: 3, h: 32, w: 32]`, or without `c` for a grey picture" });
    }
    for (const [axis, said, resized] of [
      ["h", height!, picture.size?.[0]],
      ["w", width!, picture.size?.[1]],
    ] as const) {
      if (resized === undefined || said === resized) continue;
      const related = [{ span: type.span, label: "declared here" }];
      fail("shape/axis-mismatch", field.value.span, { axis, left: resized, right: said }, { related });
    }
    const spec = pictureField(name, picture, [channels, height!, width!]);
    const sized: PictureVal = { ...picture, size: [height!, width!], isGrey: channels === 1 };
    const val: TensorVal = { ...tensor(this.#input(name, shape, axes, "f32"), axes), picture: sized };
    return { val, field: { kind: "loaded", spec, axes } as const };
  }

  #hostField(
    name: string,
    field: Field,
    declared: Declared["type"],
    dtype: "text" | "bool" | "i32" | "f32",
    expr: HostExpr,
    type: HostVal["type"],
  ) {
    const loaded = (spec: PlanField, value: HostExpr, of: HostVal["type"]) => ({
      val: fromHost(value, of),
      field: { kind: "loaded", spec, axes: [] } as const,
    });
    if (expr.kind === "item" && expr.fact === "subject") {
      if (dtype === "text") return loaded({ name, kind: "subjectName" }, expr, "text");
      if (dtype === "i32") return loaded({ name, kind: "subjectIndex" }, itemFact("subjectIndex", "int"), "int");
    }
    const fits = dtype === "f32" ? type === "real" || type === "int" : dtype === (type === "int" ? "i32" : type);
    if (!fits) {
      const found = describe(fromHost(expr, type));
      fail("type/mismatch", field.value.span, { found, expected: `a value of the type \`${declared.name.name}\`` });
    }
    return loaded({ name, kind: "made", type: dtype, value: expr }, expr, type);
  }
}
