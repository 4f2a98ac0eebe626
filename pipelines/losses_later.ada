// AdaFace's losses a year after the recipe (July 2025): other layers, and blocks SS, SC, CS, CC or SS, SC, SC again, MC along `block`.
import { standardize } from "std/nn.ada"
import { warp_matrix, smooth_3x3, crop } from "std/image.ada"
import { masked_l2 } from "std/masks.ada"
import { scores_at } from "./losses.ada"

/// How strongly the subject's tokens are seen, against the class's (not differentiated, or `class_grad` times). `b` and `n` name the
/// subject's tokens in the first two blocks.
fn attention_norm(attn: real[block, head, pixel, tokens], b: i32[k], n: i32[k], per_block: Int = 1, class_grad: Real = 0) -> real {
  let level = fn(b: i32[k]) => mean(abs(sum(scores_at(attn, b, n, 2 * per_block), over: slot)), over: pixel)
  return sum(mean(abs(level(b) - grad_scale(level(b + 2 * per_block), class_grad)), over: head)) / per_block
}
/// Attention of the subject's tokens stays what it is at a later time.
fn attention_across_times(attn: real[block, head, pixel, tokens], later: real[block, head, pixel, tokens], n: i32[k], at: Int = 1) -> real {
  let own = fn(x: real[block, head, pixel, tokens]) => x[block: at][tokens: n]
  return mean((own(attn) - stop(own(later))) ** 2)
}
/// What of the subject's attention behind the subject is above a tolerance.
fn attention_behind(attn: real[block, head, h, w, tokens], n: i32[k], fg: real[h, w], tolerance: Real = 0.02, at: Int = 0) -> real {
  let over = (sum(attn[block: at][tokens: n], over: k) - tolerance) * (1 - fg)
  let hit  = where(over > 0, 1, 0)
  return sum(over * hit) / max(sum(hit), 1e-6)
}

type Repeated = { attention: real, subject_k: real, other_k: real, subject_v: real, other_v: real }

/// A composed prompt (SC) against its repetition (attention), against the single one (the subject's keys and values) and against the mix (those of
/// the other tokens, where `tokens_seen` is 1). References are not differentiated.
fn repeated_terms(attn: real[block: 4, head, pixel, tokens], key: real[block: 4, c, tokens], value: real[block: 4, c, tokens], n: i32[k],
                  tokens_seen: real[tokens], scale: Real) -> Repeated {
  let others  = put(tokens_seen, tokens: n, 0)
  let subject = fn(x: real[block: 4, c, tokens]) => mean((x[block: 1][tokens: n] - stop(x[block: 0][tokens: n])) ** 2)
  let rest = fn(x: real[block: 4, c, tokens]) => masked_l2(expand(x[block: 1], [n: 1, c, tokens]),
                                                           stop(expand(x[block: 3], [n: 1, c, tokens])), expand(others, [n: 1, tokens]))
  return {
    attention: scale * mean((attn[block: 1] - stop(attn[block: 2])) ** 2),
    subject_k: subject(key), other_k: rest(key), subject_v: subject(value), other_v: rest(value)
  }
}

/// A picture's pixels as `from`, where they are brought as `to`.
type Pair = { source: real[c, from], target: real[c, to] }

/// The faces of the single and the composed picture, cut out and brought to one size, without their common mean.
fn face_pair(x: real[block: 4, c, h, w], single: i32[corner: 4], composed: i32[corner: 4]) -> Pair {
  let (a, b) = (crop(x[block: 0], single, h, w), crop(x[block: 1], composed, h, w))
  let common = stop((mean(a, over: [h, w]) + mean(b, over: [h, w])) / 2)
  let flat   = fn(y: real[c, h, w]) => y - common |> view(`c h w -> c p=(h w)`)
  return { source: flat(b) |> rename(p: from), target: flat(a) |> rename(p: to) }
}
/// What lies around the face in the composed picture, and the mix, without the mean of their means.
fn around_pair(x: real[block: 4, c, h, w], around: real[h, w], eps: Real = 1e-5) -> Pair {
  let (sc, mc) = (x[block: 1] * around, x[block: 3])
  let share  = count(around) / (sum(around) + eps)
  let common = stop((mean(mc, over: [h, w]) + mean(sc, over: [h, w]) * share) / 2)
  let flat   = fn(y: real[c, h, w]) => y |> view(`c h w -> c p=(h w)`)
  return { source: flat((sc - common) * around) |> rename(p: from), target: flat(mc - common) |> rename(p: to) }
}
/// 0 where a box (x1, y1, x2, y2) is.
fn around_box(box: i32[corner: 4], h: Dim, w: Dim) -> real[h: h, w: w] {
  let inside = fn(i: i32[to], first: i32, last: i32) => i >= first and i < last
  let rows   = inside(iota([to: h]), box[corner: 1], box[corner: 3]) |> rename(to: h)
  let cols   = inside(iota([to: w]), box[corner: 0], box[corner: 2]) |> rename(to: w)
  return where(expand(rows, [h: h, w: w]) and cols, 0, 1)
}
/// A flow smoothed, without motions below a threshold.
fn steady(flow: real[n, xy: 2, h, w], least: Real, centre: Real = 2) -> real[n, xy: 2, h, w] {
  let f = smooth_3x3(flow, centre)
  return where(abs(f) < least, 0, f)
}

type Moved = { errors: List<real>, best: real, sparse: real, by_flow: real, in_place: real, weight: real, dropped: real }

/// Brings a source to its target by attention, by flow and by staying in place. The errors of the three, and of the best of each token; and how
/// far attention is from the better of the other two, where that is clearly better. `factors` handicap the three.
fn moved(f: Pair, attention: real[from, to], flow: real[from, to], factors: List<Real>, limit: Real, most: Real, temperature: Real = 5,
         eps: Real = 1e-6) -> Moved {
  let stay   = where(expand(iota([from]), [from, to]) == iota([to]), 1, 0)
  let error  = fn(by: real[from, to]) => mean((dot(f.source, by, over: from) - f.target) ** 2, over: c)
  let each   = [error(attention), error(flow), error(stay)]
  let tried  = [for (e, factor) in zip(each, factors): e * factor]
  let best   = mean(min(min(tried[0], tried[1]), tried[2]))
  let kept   = stop(where(best >= limit * most, 0, min(1, limit / (best + eps))))
  let (by_flow, in_place) = (stop(tried[0] - tried[1]), stop(tried[0] - tried[2]))
  let lead   = max(by_flow, in_place)
  let flows  = by_flow >= in_place
  let better = where(expand(flows, [from, to]), flow, stay)
  let sure   = 1 / (1 + exp(-temperature * standardize(lead, over: to, 1e-5)))
  let weight = stop(dot(better + attention, sure, over: to))
  let wins   = fn(x: bool[to]) => mean(where(x and lead > 0, 1, 0))
  return {
    errors: [for e in each: kept * mean(e)], best: kept * best,
    sparse: mean(abs(stop(better) - attention) * weight),
    by_flow: wins(flows), in_place: wins(not flows), weight: mean(weight), dropped: where(best >= limit * most, 1, 0)
  }
}
/// The attention of two pictures' queries: for each pixel of the target, shares of the source's pixels.
fn attention_between(q: Pair) -> real[from, to] {
  return softmax(dot(q.source, q.target, over: c), over: from)
}
