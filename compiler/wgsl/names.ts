// Identifiers of printed WGSL: a Tile IR name may be any text; what is printed is a WGSL identifier that is free.

// Keywords and reserved words of WGSL, then the predeclared names that kernels use.
const taken = `alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let loop override
requires return struct switch true var while
NULL Self abstract active alignas alignof as asm asm_fragment async attribute auto await become cast catch class co_await co_return co_yield
coherent column_major common compile compile_fragment concept const_cast consteval constexpr constinit crate debugger decltype delete demote
demote_to_helper do dynamic_cast enum explicit export extends extern external fallthrough filter final finally friend from fxgroup get goto
groupshared highp impl implements import inline instanceof interface layout lowp macro macro_rules match mediump meta mod module move mut mutable
namespace new nil noexcept noinline nointerpolation non_coherent noncoherent noperspective null nullptr of operator package packoffset partition
pass patch pixelfragment precise precision premerge priv protected pub public readonly ref regardless register reinterpret_cast require resource
restrict self set shared sizeof smooth snorm static static_assert static_cast std subroutine super target template this thread_local throw trait
try type typedef typeid typename typeof union unless unorm unsafe unsized use using varying virtual volatile wgsl where with writeonly yield
array atomic bool f16 f32 i32 u32 ptr sampler vec2 vec3 vec4 vec2f vec3f vec4f vec2i vec3i vec4i vec2u vec3u vec4u read write read_write
storage workgroup uniform private function rgba16float rgba32float texture_storage_2d
texture_storage_2d_array unpack2x16float
abs all any bitcast ceil clamp cos dot exp exp2 floor fma inverseSqrt log log2 max min pow round select sign sin sqrt tanh trunc textureLoad
workgroupBarrier storageBarrier subgroupAdd subgroupMax subgroupMin subgroupBroadcast
main u lane group laneIndex groupIndex`;

const always = taken.split(/\s+/);

/** Gives every name of a kernel its identifier; the same name always gets the same one. */
export class Identifiers {
  readonly #used: Set<string>;
  readonly #given = new Map<string, string>();

  constructor(helpers: readonly string[]) {
    this.#used = new Set([...always, ...helpers]);
  }

  of(name: string): string {
    const known = this.#given.get(name);
    if (known !== undefined) return known;
    const letters = name.replace(/[^A-Za-z0-9_]/g, "_");
    const base = /^[A-Za-z]/.test(letters) ? letters : `v${letters}`;
    let free = base;
    for (let i = 1; this.#used.has(free); i++) free = `${base.replace(/_+$/, "")}_${i}`;
    this.#used.add(free);
    this.#given.set(name, free);
    return free;
  }
}
