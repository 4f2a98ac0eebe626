// The losses of AdaFace. Axis `role`: 0 the subject, 1 the teacher (class, or mix); axis `kind`: 0 single, 1 composed.
// What a loss reads of the network is a list of unlike layers: sizes differ from element to element, and each loop over it is unrolled.
import { resize, standardize, BatchNorm } from "std/nn.ada"
import { avg_pool } from "std/image.ada"
import { ref_cosine, ortho_subtract, delta_alignment } from "std/directions.ada"
import { masked_mean, resize_mask } from "std/masks.ada"
import { proportional_scale } from "std/losses.ada"

/// Weights of layers as shares of 1.
fn shares(weights: List<Real>) -> List<Real> { return [for w in weights: w / sum(weights)] }

/// Scores of the tokens that the pairs (b, n) name, as many for each instance.
fn scores_at(attn: real[batch, head, pixel, tokens], b: i32[k], n: i32[k], instances: Dim)
    -> real[instance: instances, slot: k / instances, head, pixel] {
  return attn[batch: b][tokens: n] |> view(`(instance slot) head pixel -> instance slot head pixel`, instance: instances)
}

/// Outputs of the text encoder: what composing changes in the subject's prompt should point where it changes the class prompt. `words` is 1
/// on the ordinary tokens of the subject's prompts; the first position never counts.
loss prompt_delta(c: real[role: 2, kind: 2, n, ...l, tokens, width], words: real[kind: 2, n, tokens]? = none, ref_grad: Real = 0.05,
                  power: Real = 2,
                  demean_subject: Bool = true) -> real {
  let change = ortho_subtract(c[kind: 1], c[kind: 0], over: width)
  let weight = if has(words) { sum(words * where(iota([tokens]) == 0, 0, 1), over: kind) ** 2 / 4 } else { none }
  return ref_cosine(change[role: 0], change[role: 1], weight: weight, power: power, demean_x: demean_subject, demean_ref: true,
                    ref_grad: ref_grad)
}

type MaskTerms = { complementary: real, leak: real, intrusion: real, contrast: real }

/// Mean of what is above 0, each sample weighted.
fn positive_mean(x: real[batch, ...s], weight: real[batch]) -> real { return masked_mean(x, where(x > 0, 1, 0), weight: weight) }

/// One layer of `attention_masks`: subject score `s`, background score `g` (none without a background slot; `ratio` says how many subject
/// tokens there are for one of the background).
fn mask_terms(s: real[batch, head, h, w], g: real[batch, head, h, w]?, fg: real[batch, hm, wm], weight: real[batch], ratio: Real = 4)
    -> MaskTerms {
  let f      = where(resize_mask(rename(fg, hm: h, wm: w), size(s, h), size(s, w)) > 1e-6, 1, 0)
  let b      = 1 - f
  let usable = where(all(any(f > 0, over: [h, w]) and any(b > 0, over: [h, w])), 1, 0)
  let inside = masked_mean(grad_scale(s * f, 0.5), f, over: [head, h, w])
  let leak   = usable * positive_mean(s * b + 0.4 - inside, weight)
  if not has(g) { return { complementary: 0, leak: leak, intrusion: 0, contrast: 0 } }
  let flat    = fn(x: real[batch, head, h, w]) => x |> view(`batch head h w -> batch head f=(h w)`)
  let outside = masked_mean(g * b, b, over: [head, h, w])
  return {
    complementary: ref_cosine(flat(g), flat(s), ref_grad: 0.1, align: false),
    leak:      leak,
    intrusion: usable * positive_mean(g * f + 0.4 - outside, weight),
    contrast:  usable * (positive_mean(g * f + 0.4 * ratio - inside, weight) + positive_mean(s * b + 0.4 - outside, weight))
  }
}
/// Attention of the subject stays in its mask, that of the background outside, and the two differ (times 2e-4 in the recipe).
loss attention_masks(s: List<real[batch, head, h, w]>, g: List<real[batch, head, h, w]>?, fg: real[batch, hm, wm], has_fg: real[batch],
                     weights: List<Real>, ratio: Real = 4) -> real {
  return sum([for (i, weight) in enumerate(shares(weights)): {
    let t = mask_terms(s[i], if has(g) { g[i] } else { none }, fg, has_fg, ratio)
    return weight * (0.2 * t.complementary + 0.05 * t.leak + 0.1 * t.intrusion + 0.05 * t.contrast)
  }])
}

/// Two layers look at the same place: the larger map against the smaller; of equal ones the upper layer against the one below.
fn same_place(upper: real[n, h, w], below: real[n, hb, wb]) -> real {
  let low  = rename(below, hb: h, wb: w)
  let (small, large) = if size(upper, h) < size(low, h) { (upper, low) } else { (low, upper) }            // sizes: decided when compiling
  let flat = fn(x: real[n, row, col]) => x |> view(`n row col -> n f=(row col)`)
  return ref_cosine(flat(resize(large, size(small, h), size(small, w))), flat(small), demean_x: true, demean_ref: true)
}
/// Neighbouring layers look at the same place (times 5e-5 in the recipe).
loss cross_layer(s: List<real[n, h, w]>, pairs: List<{ of: Int, to: Int, w: Real }>) -> real {
  return sum([for p in pairs: p.w * same_place(s[p.of], s[p.to])]) / sum([for p in pairs: p.w])
}

/// What a loss reads of one cross-attention layer.
type Seen = { score: real[...b, head, h, w], query: real[...b, head, h, w, d], out: real[...b, c, h: h2, w: w2] }

/// A layer's attention at the size of its features. Not differentiated.
fn attention_map(score: real[...b, head, h, w], to: Dim, by: Dim) -> real[...b, h: to, w: by] {
  return resize(mean(stop(score), over: head), to, by)
}
/// Where attention is low (or high), as weights of mean 1.
fn place_weight(a: real[...b, h, w], low: Bool = true, eps: Real = 0.001) -> real[...b, h, w] {
  let mid   = mean(a, over: [h, w])
  let width = max(std(a, over: [h, w]) + eps, mid / 2)
  let w     = min(1, exp((if low { mid - a } else { a - mid }) / width))
  return w / mean(w, over: [h, w])
}

type DeltaTerms = { attention: real, norm: real, features: real }

/// One layer of `delta_distill`.
fn delta_terms(score: real[role: 2, kind: 2, head, h, w], out: real[role: 2, kind: 2, c, h: h2, w: w2], norms: real, pool: Int,
               stride: Int) -> DeltaTerms {
  let s     = score |> view(`role kind head h w -> role kind head f=(h w)`) |> expand([n: 1, role: 2, kind: 2, head, f])
  let level = mean(score, over: [h, w])
  let gap   = abs(level[role: 0] - grad_scale(level[role: 1], 0.05))
  let place = (place_weight(attention_map(score[role: 1, kind: 1], size(out, h), size(out, w)))
               + place_weight(attention_map(score[role: 0, kind: 1], size(out, h), size(out, w)))) / 2
  let shown = where(norms > 0, standardize(out, over: c, 1e-5), out) * place
  let f     = avg_pool(shown, pool, stride: stride) |> view(`role kind c h w -> role kind f=(c h w)`)
  let away  = [for k in 0..2: ortho_subtract(f[role: 0, kind: k], grad_scale(f[role: 1, kind: k], 0.1), over: f)]
  return {
    attention: delta_alignment(s[role: 0, kind: 0], s[role: 0, kind: 1], s[role: 1, kind: 0], s[role: 1, kind: 1], ref_grad: 0.05,
                               base_grad: 1, power: 3),
    norm:     sum(mean(gap, over: head)),
    features: mean(ortho_subtract(away[1], away[0], over: f) ** 2)
  }
}
/// The subject changes from single to composed as the teacher's mix does (times 1e-4 in the recipe). `norms`: features with unit variance
/// over channels or as they are; a value and not a choice of graph, so the coin makes no second one.
loss delta_distill(seen: List<Seen>, weights: List<Real>, norms: real) -> real {
  return sum([for (a, weight) in zip(seen, shares(weights)): {
    let pool = if size(a.out, h) <= 16 { 4 } else { 8 }
    let t    = delta_terms(a.score, a.out, norms, pool, pool / 2)
    return weight * (0.1 * t.attention + t.norm + where(norms > 0, 2.5, 0.5) * t.features)
  }])
}

type Matching = { align: real, same: real, background: real, below: real[role: 2, p] }

/// Where the pixels of the single pictures go in the composed ones, by their queries; features and background follow. `fg`: the subject's
/// pixels in the single picture. `below`: how far each composed pixel is from being the subject's, by the subject's and the mix's matching.
fn elastic_matching(q: real[role: 2, kind: 2, c, p], f: real[role: 2, kind: 2, c, p], fg: real[p], cutoff: Real = 0.25,
                    query_grad: Real = 0.1,
                    feature_grad: Real = 0.01, mix_grad: Real = 0.05) -> Matching {
  let to    = softmax(dot(rename(q[kind: 1], p: comp), grad_scale(q[kind: 0], query_grad), over: c), over: comp)       // [role, comp, p]
  let both  = expand(rename(fg, p: comp), [comp, p]) * fg
  let moved = dot(rename(f[role: 0, kind: 1], p: comp), to[role: 0], over: comp)                                       // [c, p]
  let rows  = fn(x: real[c, p]) => order(x, [p, c]) |> expand([n: 1, p, c])
  let row   = fn(x: real[p]) => expand(x, [n: 1, p])
  let below = max(0, cutoff - dot(to, fg, over: p)) |> rename(comp: p)                                                 // [role, p]
  return {
    align:      masked_mean(abs(to[role: 0] - to[role: 1]), both),
    same:       ref_cosine(rows(moved), grad_scale(rows(f[role: 0, kind: 0]), feature_grad), weight: row(fg)),
    background: ref_cosine(rows(f[role: 0, kind: 1]), rows(f[role: 1, kind: 1]), weight: row(below[role: 1]), ref_grad: mix_grad),
    below:      below
  }
}

type KeepTerms = { align: real, same: real, background: real, leak: real, mix_leak: real }

/// One layer of `keep_foreground`, its queries normalised by the caller; `norms`: features with unit variance over channels.
fn keep_terms(score: real[role: 2, kind: 2, head, h, w], query: real[role: 2, kind: 2, head, h, w, d],
              out: real[role: 2, kind: 2, c, h: h2, w: w2],
              fg: real[hm, wm], norms: Bool = true) -> KeepTerms {
  let (to, by) = (size(score, h), size(score, w))
  let pool = fn(x: real[...b, h, w]) => if size(x, h) > 8 { avg_pool(x, 4, stride: 2) } else { x }
  let flat = fn(x: real[...b, h, w]) => pool(x) |> view(`...b h w -> ...b p=(h w)`)
  let q    = query |> view(`role kind head h w d -> role kind c=(head d) h w`) |> flat
  let wide = resize(out, to, by)
  let f    = (if norms { standardize(wide, over: c, 1e-5) } else { wide }) |> flat
  let m    = where(flat(resize_mask(rename(fg, hm: h, wm: w), to, by)) > 0, 1, 0)
  let hit  = max(0, flat(score[kind: 1]))                                              // [role, head, p]
  let t    = elastic_matching(q, f, m)
  return {
    align:      t.align,
    same:       t.same,
    background: t.background,
    leak:       masked_mean(hit[role: 0], t.below[role: 0]),
    mix_leak:   masked_mean(grad_scale(hit[role: 1], 0.02), t.below[role: 1])
  }
}
/// All terms together; the background's counts more where it is large.
fn keep_total(t: KeepTerms) -> real {
  return t.align + t.same + proportional_scale(t.background, base: 0.2, scale: 2, high: 3) * t.background + 0.02 * (t.leak + t.mix_leak)
}
/// Composing keeps the subject's features and leaves the background to the mix (times 1e-3 in the recipe, and less). `norm`: one BatchNorm
/// of the queries for each layer, whose running statistics are kept.
loss keep_foreground(seen: List<Seen>, weights: List<Real>, fg: real[hm, wm], norm: List<BatchNorm>) updates -> real {
  let each = [for (i, a) in enumerate(seen): {
    let q = a.query |> view(`role kind head h w d -> role kind c=(head d) h w`) |> norm[i]
    return keep_terms(a.score, q |> view(`role kind (head d) h w -> role kind head h w d`, d: size(a.query, d)), a.out, fg)
  }]
  let share = shares(weights)
  return keep_total({
    align:      sum([for (t, w) in zip(each, share): w * t.align]),
    same:       sum([for (t, w) in zip(each, share): w * t.same]),
    background: sum([for (t, w) in zip(each, share): w * t.background]),
    leak:       sum([for (t, w) in zip(each, share): w * t.leak]),
    mix_leak:   sum([for (t, w) in zip(each, share): w * t.mix_leak])
  })
}

property "composing that changes the subject's prompt as it changes the class prompt costs little, the opposite most" {
  forall c: real[kind: 2, n: 1..3, tokens: 3..6, width: 4..9] in -1..1
  let change = ortho_subtract(c[kind: 1], c[kind: 0], over: width)
  require min(norm(change - mean(change, over: width), over: width)) > 0.3
  let same = stack([c, c], axis: role)
  let back = stack([stack([c[kind: 0], -change], axis: kind), c], axis: role)
  expect prompt_delta(same, power: 1) < 0.001
  expect prompt_delta(back, power: 1) > prompt_delta(same, power: 1) + 0.5
}
property "the first token and padding do not count in `prompt_delta`" {
  forall c: real[role: 2, kind: 2, n: 2, tokens: 6, width: 5] in -1..1, other: real[role: 2, kind: 2, n: 2, tokens: 6, width: 5] in -1..1
  let t     = iota([tokens: 6])
  let words = expand(where(t > 0 and t < 4, 1, 0), [kind: 2, n: 2, tokens: 6])
  let mixed = where(expand(where(t > 0 and t < 4, 1, 0), like: c) > 0, c, other)
  expect near(prompt_delta(mixed, words), prompt_delta(c, words), 1e-4)
}
property "attention that keeps to its mask costs nothing, attention outside of it does" {
  forall s: real[batch: 1..2, head: 1..3, h: 8, w: 8] in 0..0.2, edge: Int in 2..7
  let fg = expand(where(iota([wm: 8]) < edge, 1, 0), [batch, hm: 8, wm: 8])
  let f  = expand(rename(fg, hm: h, wm: w), like: s)
  expect near(attention_masks([s + f], none, fg, ones([batch]), [1]), 0 * sum(s), 1e-6)
  expect attention_masks([s + 1 - f], none, fg, ones([batch]), [1]) > 0.01
}
property "the loss of masks ignores the order of heads; a sample without a mask adds nothing, but counts where means are taken" {
  forall s: real[batch: 2, head: 4, h: 8, w: 8] in -1..1, g: real[batch: 2, head: 4, h: 8, w: 8] in -1..1
  let fg    = expand(where(iota([hm: 8]) < 3, 1, 0), [batch: 2, hm: 8, wm: 8])
  let known = where(iota([batch: 2]) == 0, 1, 0)
  let loss  = fn(s: real[batch, head, h, w], g: real[batch, head, h, w]) => attention_masks([s], [g], fg, ones([batch: 2]), [1])
  expect near(loss(s, g), loss(reverse(s, axis: head), reverse(g, axis: head)), 1e-4)
  let all = mask_terms(s, none, fg, ones([batch: 2])).leak
  expect near(all - mask_terms(s, none, fg, known).leak, mask_terms(s, none, fg, 1 - known).leak, 1e-4)
}
property "layers that look at the same place agree, at whatever sizes" {
  forall s: real[n: 1..2, h: 4, w: 4] in 0..1, p: Real in 0.5..2
  let large = resize_nearest(s, 8, 8)
  require min(std(s, over: [h, w])) > 0.1
  expect near(same_place(s, s), same_place(large, s), 1e-4)
  expect same_place(s, s) < same_place(-s, s)
  expect near(cross_layer([s, large, s], [{ of: 0, to: 1, w: p }, { of: 1, to: 2, w: 1 }]), same_place(s, large), 1e-4)
}
property "weights of places have mean 1 and fall where attention rises" {
  forall a: real[h: 2..6, w: 2..6] in 0..1
  require std(a, over: [h, w]) > 0.05
  let w = place_weight(a)
  expect near(mean(w), 1 + 0 * sum(a), 1e-4)
  let top = where(a == max(a), 1, 0)
  expect near(sum(top * w) / sum(top), min(w), 1e-4)
  expect near(place_weight(a, low: false), place_weight(-a + 2 * mean(a)), 1e-4)
}
property "queries that name their own pixels leave nothing to match" {
  forall f: real[c: 6, p: 6] in -1..1, cut: Int in 1..6
  // Each pixel's query is a channel of its own, so the composed picture's pixels go where they were.
  let own = 9 * expand(one_hot(iota([p: 6]), 6) |> rename(classes: c), [role: 2, kind: 2, p: 6, c: 6]) |> order([role, kind, c, p])
  let fg  = where(iota([p: 6]) < cut, 1, 0)
  let t   = elastic_matching(own, expand(f, [role: 2, kind: 2, c: 6, p: 6]), fg)
  expect near(t.align, 0 * sum(f), 1e-6)
  expect near(t.below[role: 0] * fg, 0 * fg, 1e-6)
  expect near(t.below[role: 0] * (1 - fg), 0.25 * (1 - fg), 1e-3)
}
gradcheck prompt_delta(c: real[role: 2, kind: 2, n: 2, layer: 2, tokens: 4, width: 5], ref_grad: 0.05)
gradcheck same_place(upper: real[n: 2, h: 3, w: 4], below: real[n: 2, hb: 5, wb: 6])
