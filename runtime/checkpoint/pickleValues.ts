// What a pickle can be made of. Lists and dictionaries may hold themselves.

export interface PickleList {
  readonly kind: "list";
  readonly items: PickleValue[];
}
export interface PickleSet {
  readonly kind: "set";
  readonly items: PickleValue[];
}
export interface PickleTuple {
  readonly kind: "tuple";
  readonly items: readonly PickleValue[];
}
export interface PickleDict {
  readonly kind: "dict";
  readonly entries: [key: PickleValue, value: PickleValue][];
}
/** A name, and nothing more. */
export interface PickleGlobal {
  readonly kind: "global";
  readonly module: string;
  readonly name: string;
}
/** An instance of a class that is not known, or what a function that is not known would give: what it was made with and its state. */
export interface PickleObject {
  readonly kind: "object";
  readonly made: string;
  readonly args: readonly PickleValue[];
  readonly state: PickleValue[];
}
/** Numbers in the file, as bytes of one type; `first` elements of the storage of that key come before it. */
export interface PickleStorage {
  readonly kind: "storage";
  /** null: bytes without a type. */
  readonly dtype: string | null;
  readonly key: string;
  readonly elements: number;
  readonly first: number;
}
/** A view of a storage; offset and strides in elements. */
export interface PickleTensor {
  readonly kind: "tensor";
  readonly dtype: string;
  readonly storage: PickleStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** The byte of its pickle that makes it. */
  readonly at: number;
}

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleSet
  | PickleTuple
  | PickleDict
  | PickleGlobal
  | PickleObject
  | PickleStorage
  | PickleTensor;

export const tuple = (items: readonly PickleValue[]): PickleTuple => ({ kind: "tuple", items });

/** Something is wrong with a pickle; the place is added where the opcode is known. */
export class PickleProblem extends Error {
  at: number | null = null;
  /** Whether it would have run a program. */
  readonly malicious: boolean;
  constructor(message: string, malicious = false) {
    super(message);
    this.malicious = malicious;
  }
}
