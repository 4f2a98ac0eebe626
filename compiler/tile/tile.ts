// Tile IR: the small typed language that every kernel is written in, once, whatever its template. A kernel is printed to WGSL by one
// printer, interpreted on the CPU by one interpreter, and verified: types, workgroup limits, and that every index stays in its buffer.
//
// Integers that are indices are i32. `lane` is the invocation's number in its workgroup. A kernel whose `subgroupSize` is not null runs
// with workgroups that are whole subgroups of exactly that size, lanes in order.

export type Scalar = "f32" | "i32" | "u32" | "bool";
export type Width = 1 | 4;
export interface TileType {
  readonly scalar: Scalar;
  readonly width: Width;
}

/** `half`: the nearest 16-bit float, still an f32. */
export type UnaryOp =
  | "neg"
  | "abs"
  | "exp"
  | "log"
  | "sin"
  | "cos"
  | "tanh"
  | "sqrt"
  | "rsqrt"
  | "erf"
  | "floor"
  | "round"
  | "half"
  | "not";
/**
 * `mulHalf`: the product of two f32 that are 16-bit floats, rounded to one, by the device's own multiplication of these. `idiv`, `imod`: floor
 * division of i32 (any signs); `div` is f32; comparison results are bool; `shl`, `shr` on i32 and u32.
 */
export type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "mulHalf"
  | "div"
  | "idiv"
  | "imod"
  | "max"
  | "min"
  | "pow"
  | "lt"
  | "le"
  | "eq"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr";

export type TileExpr =
  | { readonly kind: "lit"; readonly type: TileType; readonly value: number } // bool: 0 or 1; width 4: splat
  | { readonly kind: "ref"; readonly type: TileType; readonly name: string } // a `let`, `var` or loop variable
  | { readonly kind: "lane"; readonly type: TileType } // i32, 0 <= lane < workgroupSize
  | { readonly kind: "group"; readonly type: TileType; readonly axis: 0 | 1 | 2 } // i32 workgroup number, below grid[axis]
  | { readonly kind: "uniform"; readonly type: TileType; readonly index: number } // element of the step's uniform buffer, width 1
  | { readonly kind: "unary"; readonly type: TileType; readonly op: UnaryOp; readonly arg: TileExpr }
  | { readonly kind: "binary"; readonly type: TileType; readonly op: BinaryOp; readonly left: TileExpr; readonly right: TileExpr }
  | { readonly kind: "fma"; readonly type: TileType; readonly a: TileExpr; readonly b: TileExpr; readonly c: TileExpr }
  | {
      readonly kind: "select";
      readonly type: TileType;
      readonly condition: TileExpr;
      readonly then: TileExpr;
      readonly otherwise: TileExpr;
    }
  | { readonly kind: "cast"; readonly type: TileType; readonly arg: TileExpr }
  | { readonly kind: "splat"; readonly type: TileType; readonly arg: TileExpr } // width 1 -> 4
  | { readonly kind: "vec"; readonly type: TileType; readonly parts: readonly [TileExpr, TileExpr, TileExpr, TileExpr] }
  | { readonly kind: "part"; readonly type: TileType; readonly arg: TileExpr; readonly index: 0 | 1 | 2 | 3 } // width 4 -> 1
  | { readonly kind: "load"; readonly type: TileType; readonly buffer: string; readonly index: TileExpr } // index in units of the buffer's element
  | { readonly kind: "shared"; readonly type: TileType; readonly array: string; readonly index: TileExpr } // workgroup memory
  | { readonly kind: "fromLane"; readonly type: TileType; readonly arg: TileExpr; readonly lane: number } // subgroupBroadcast, constant lane
  | { readonly kind: "reduceLanes"; readonly type: TileType; readonly op: "add" | "max" | "min"; readonly arg: TileExpr } // over the subgroup
  | {
      /** Philox4x32-10: word `word & 3` of counter (element, step, word >> 2, 0) under (key0, key1); u32. */
      readonly kind: "philox";
      readonly type: TileType;
      readonly key0: number;
      readonly key1: TileExpr;
      readonly word: number;
      readonly element: TileExpr; // u32
      readonly step: TileExpr; // u32
    };

export type TileStmt =
  | { readonly kind: "let"; readonly name: string; readonly value: TileExpr }
  | { readonly kind: "var"; readonly name: string; readonly type: TileType; readonly value: TileExpr }
  | { readonly kind: "assign"; readonly name: string; readonly value: TileExpr }
  | { readonly kind: "store"; readonly buffer: string; readonly index: TileExpr; readonly value: TileExpr }
  | { readonly kind: "storeShared"; readonly array: string; readonly index: TileExpr; readonly value: TileExpr }
  /** i32 loop variable from `from` in steps of `step` while below `to`; bounds are constants or expressions over outer variables. */
  | {
      readonly kind: "for";
      readonly name: string;
      readonly from: TileExpr;
      readonly to: TileExpr;
      readonly step: number;
      readonly body: readonly TileStmt[];
    }
  | { readonly kind: "if"; readonly condition: TileExpr; readonly then: readonly TileStmt[]; readonly otherwise: readonly TileStmt[] }
  | { readonly kind: "barrier" };

export interface TileBuffer {
  readonly name: string;
  /** Element type as the kernel sees it; bool is stored as u32. */
  readonly type: TileType;
  readonly access: "read" | "readWrite";
  /** Where the elements live. `texture`: an rgba32float (or, of halves, rgba16float) storage texture, element i as plan/operandTexture.ts lays it; read only. */
  readonly storage: "buffer" | "texture";
  /** Of a texture: it holds a matrix with so many vectors per row in stripes, and an index counts as plan/operandTexture.ts says. */
  readonly rowVectors?: number;
  readonly length: number; // elements of `type`
  /**
   * Elements lie in memory as 16-bit floats, filled up to whole vectors of four; the kernel sees f32, a store rounds. `native`: by the
   * device's own type. `packed`: two to a word, so that a store must be of a whole vector, which owns its words.
   */
  readonly half?: "native" | "packed";
}
export interface TileKernel {
  readonly name: string; // words that say what it does, for people: not part of its identity
  readonly workgroupSize: number;
  readonly subgroupSize: number | null; // not null: uses subgroup operations
  readonly grid: readonly [number, number, number];
  readonly buffers: readonly TileBuffer[]; // in binding order
  readonly usesUniforms: boolean;
  readonly shared: readonly { readonly name: string; readonly type: TileType; readonly length: number }[];
  readonly body: readonly TileStmt[];
}
