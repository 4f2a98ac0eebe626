// What AdaFace's steps are made of besides networks and losses: annealed draws, teacher chains, starting latents, and how rows of prompt
// embeddings are merged, shared out and mixed. Random numbers are arguments: `u` is uniform from 0 to 1.

/// x plus noise of strength `std`; with `keep_norm` every row keeps its length.
fn with_noise(x: real[...b, width], noise: real[...b, width], std: real[...s], keep_norm: Bool = false) -> real[...b, width] {
  let y = x + noise * std
  return if keep_norm { y * norm(x, over: width) / (stop(norm(y, over: width)) + 1e-8) } else { y }
}
/// The mean spread of the rows, to make a strength relative. Not differentiated.
fn row_spread(x: real[...b, width]) -> real { return mean(std(stop(x), over: width)) }

/// From `first` towards `last` with progress p, `last` from `final` on. Not divided by `final`: it jumps there unless `final` is 1.
fn annealed(p: real[...s], first: Real, last: Real, final: Real = 1) -> real[...s] {
  return where(p < final, first + (last - first) * p, last)
}
/// Uniform between two shares of an annealed mean, kept between `least` and `most`.
fn around_annealed(p: real[...s], u: real[...s], first: Real, last: Real, final: Real = 1, low: Real = 0.8, high: Real = 1.2,
                   least: Real = 0, most: Real = 1) -> real[...s] {
  let m  = annealed(p, first, last, final)
  let lo = max(m * low, least)
  return lo + u * (min(m * high, most) - lo)
}

/// Quotient of whole numbers, rounded down. Adding a half keeps exact quotients exact where division is not.
fn whole_quotient(x: i32[...s], by: Int) -> i32[...s] { return floor((x + 0.5) / by) }
/// Times for a chain of `n` steps: moved towards the end, so that there is room before them.
fn shifted_times(t: i32[...s], n: Int, times: Int = 1000) -> i32[...s] { return whole_quotient(4 * t + (n - 1) * times, 3 + n) }
/// A time drawn between two ratios of `t`.
fn time_between(t: i32[...s], u: real[...s], low: Real, high: Real, times: Int = 1000) -> i32[...s] {
  let lo = min(max(floor(t * low), 0), times - 1)
  let hi = min(floor(t * high) + 1, times)
  return lo + floor(u * (hi - lo))
}
/// The first of `n` steps that the student repeats, where a batch times its steps has a limit.
fn first_step(n: Int, samples: Int, limit: Int = 7) -> Int { return max(0, min(n - 1, n - floor(limit / samples))) }

/// Shrunk about the centre by a factor below 1 (source places by the factor itself, not by the ratio of whole sizes), 0 around it; where the
/// border is odd its smaller half comes first.
fn shrink(x: real[...b, h, w], factor: real) -> real[...b, h, w] {
  let y = dot(x, shrink_weights(h, factor) |> rename(from: h), over: h) |> rename(to: h) |> order([...b, h, w])
  return dot(y, shrink_weights(w, factor) |> rename(from: w), over: w) |> rename(to: w)
}
fn shrink_weights(n: Dim, factor: real) -> real[to: n, from: n] {
  let size  = floor(n * factor)
  let start = floor((n - size) / 2)
  let i     = iota([to: n]) - start
  let at    = expand(clamp((i + 0.5) / factor - 0.5, 0, n - 1), [to: n, from: n])
  return where(i >= 0 and i < size, 1, 0) * max(0, 1 - abs(at - iota([from: n])))
}

type Start = { x: real[batch, c, h, w], fg: real[batch, h, w], seen: real[batch, h, w] }

/// A latent that begins with the subject of a training picture, smaller and in noise. `noise`: around the subject, around the shrunk frame,
/// and over everything (weighed `a`). A large subject is shrunk more.
fn start_from_subject(x: real[batch, c, h, w], fg: real[batch, h, w], seen: real[batch, h, w], noise: List<real[batch, c, h, w]>, u: real,
                      a: real) -> Start {
  let large  = mean(fg)
  let e      = where(large > 0.1, (0.1 / max(large, 0.1)) ** 0.35, 1)
  let lo     = 0.7 * e
  let factor = lo + u * (where(large > 0.1, max(0.5, e), 1) - lo)
  let only   = shrink(where(expand(fg, like: x) > 0, x, noise[0]), factor)
  let f      = shrink(fg, factor)
  let filled = where(expand(f, like: x) == 0, noise[1], only)
  return { x: noise[2] * a + filled * (1 - a), fg: f, seen: shrink(seen, factor) }
}

/// `words` rows from `at` on become one, their weighted sum; what follows moves left, up to row `end`. Rows that nothing moves into keep what
/// they had; without `end` the very last row stays.
fn merge_rows(c: real[...b, tokens, width], at: i32[...b], words: i32[...b], weight: real[...b, word], end: i32[...b]? = none)
    -> real[...b, tokens, width] {
  let to   = expand(iota([tokens]), [...b, tokens])
  let last = (if has(end) { end } else { 0 * at + tokens - 1 }) - words
  let from = where(to > at and to <= last, to + words - 1, to)
  let j    = expand(iota([word]), [...b, word])
  return c[tokens: from] |> put(tokens: at, dot(weight, c[tokens: min(at + j, tokens - 1)], over: word))
}
/// The row at the first position goes to all positions of the slot, divided by `by`. With `strength` above 1 it leads further away from `plain`.
fn share_row(c: real[...b, tokens, width], at: i32[...b, slot], by: Real = sqrt(slot), plain: real[...b, tokens, width]? = none,
             strength: Real = 1)
    -> real[...b, tokens, width] {
  let first = at[slot: 0]
  let row   = if has(plain) { c[tokens: first] * strength - plain[tokens: first] * (strength - 1) } else { c[tokens: first] }
  return put(c, tokens: at, row / by)
}

/// The teacher's context: the class prompt with a little of the subject at its positions, more in deeper layers; of that `own` says how much
/// is the subject's own context again. The share of the class runs from `first` at layer `start` to `last`.
fn mixed_context(s: real[...b, layer, tokens, width], c: real[...b, layer, tokens, width], slots: real[...b, tokens],
                 own: real[...b, layer], start: Int,
                 first: Real, last: Real, grad: Real = 0.05) -> real[...b, layer, tokens, width] {
  let ramp = stack([for l in 0..layer: if l < start { 0 } else { 1 - first - (last - first) * (l - start) / (layer - 1 - start) }],
                   axis: layer)
  return own * s + (1 - own) * grad_scale(c + slots * (ramp * (s - c)), grad)
}
/// How much of its own context the mix keeps: nothing in the layers before `start`, behind it the more the smaller t is.
fn own_share(t: real[...b], layers: Dim, start: Int, trust: Real) -> real[...b, layer: layers] {
  return where(iota([layer: layers]) < start, 0, 1 - expand(t, [...b, layer: layers]) * trust)
}

type Found = { start: i32[prompt], count: i32[prompt], which: i32[prompt] }

/// Where one of several strings of class tokens begins in each prompt, at most `span` behind a position: the nearest, and of equally near ones
/// the first in the list. What is not found has count 0.
fn find_strings(tokens: i32[prompt, token], at: i32[prompt], strings: List<i32[word]>, span: Int) -> Found {
  let ends = size(tokens, token)
  let hit  = fn(string: i32[letter], offset: Int) => all(stack([for j in 0..size(string, letter): {
    let place = at + offset + j
    return tokens[token: min(place, ends - 1)] == string[letter: j] and place < ends
  }], axis: letter), over: letter)
  let none_yet = 0 * at
  return fold(range(span + 1), { start: none_yet, count: none_yet, which: none_yet }, fn(found, offset) {
    return fold(enumerate(strings), found, fn(found, (which, string)) {
      let fresh = hit(string, offset) and found.count == 0
      return {
        start: where(fresh, at + offset, found.start),
        count: where(fresh, size(string, word), found.count),
        which: where(fresh, which, found.which)
      }
    })
  })
}
