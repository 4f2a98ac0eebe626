// Pictures: pooling, resampling, borders. `h` and `w` are a picture's axes; whatever else there is stands before them.
// Settings are for both axes; those that end in `_w` are for `w` where it differs. What a name says is as in PyTorch.

/// How many windows fit; rounding up, the last one must still begin inside the picture or its border on the left.
fn windows(n: Int, size: Int, stride: Int, border: Int, dilation: Int, up: Bool) -> Int {
  let reach = n + 2 * border - dilation * (size - 1) - 1
  let all   = (if up { ceil(reach / stride) } else { floor(reach / stride) }) + 1
  return if up and (all - 1) * stride >= n + border { all - 1 } else { all }
}

/// Largest value of each window; the border counts as -inf.
fn max_pool(x: real[...b, h, w], size: Int, stride: Int = size, border: Int = 0, dilation: Int = 1, up: Bool = false,
            size_w: Int = size, stride_w: Int = stride, border_w: Int = border, dilation_w: Int = dilation) -> real[...r] {
  let rows   = windows(h, size, stride, border, dilation, up)
  let cols   = windows(w, size_w, stride_w, border_w, dilation_w, up)
  let more_h = max((rows - 1) * stride + (size - 1) * dilation + 1 - h - border, 0)
  let more_w = max((cols - 1) * stride_w + (size_w - 1) * dilation_w + 1 - w - border_w, 0)
  let p      = pad(x, h: border..more_h, w: border_w..more_w, value: -inf)
  let tall   = max([for i in 0..size: p[h: i * dilation..i * dilation + (rows - 1) * stride + 1] |> every(h: stride)])
  return max([for j in 0..size_w: tall[w: j * dilation_w..j * dilation_w + (cols - 1) * stride_w + 1] |> every(w: stride_w)])
}

/// How many elements each window has, with those of the border or without.
fn window_counts(n: Int, count: Int, size: Int, stride: Int, border: Int, with_border: Bool) -> real[at: count] {
  let start = iota([at: count]) * stride - border
  let end   = min(start + size, n + border)
  return cast(if with_border { end - start } else { min(end, n) - max(start, 0) }, real)
}

/// Mean of each window: of what is in it (with or without the border), or its sum divided by `divisor`.
fn avg_pool(x: real[...b, h, w], size: Int, stride: Int = size, border: Int = 0, up: Bool = false, count_border: Bool = true,
            divisor: Real = 0, size_w: Int = size, stride_w: Int = stride, border_w: Int = border) -> real[...r] {
  let rows = windows(h, size, stride, border, 1, up)
  let cols = windows(w, size_w, stride_w, border_w, 1, up)
  let p = pad(x, h: border..max((rows - 1) * stride + size - h - border, 0),
              w: border_w..max((cols - 1) * stride_w + size_w - w - border_w, 0))
  let tall = sum([for i in 0..size: p[h: i..i + (rows - 1) * stride + 1] |> every(h: stride)])
  let each = sum([for j in 0..size_w: tall[w: j..j + (cols - 1) * stride_w + 1] |> every(w: stride_w)])
  return if divisor != 0 { each / divisor } else {
    each / (window_counts(h, rows, size, stride, border, count_border) |> rename(at: h))
        / (window_counts(w, cols, size_w, stride_w, border_w, count_border) |> rename(at: w))
  }
}

/// A picture resampled along both axes by matrices of weights.
fn resample(x: real[...b, h, w], rows: real[to, h], cols: real[by, w]) -> real[...r] {
  let y = dot(x, rows, over: h) |> rename(to: h) |> order([...b, h, w])
  return dot(y, cols, over: w) |> rename(by: w)
}

/// Means over areas that divide the axis as evenly as whole elements allow.
fn area_weights(to: Int, from: Int) -> real[to: to, from: from] {
  let start = expand(floor(iota([to: to]) * from / to), [to: to, from: from])
  let end   = expand(ceil((iota([to: to]) + 1) * from / to), [to: to, from: from])
  let at    = iota([from: from])
  return where(start <= at and at < end, 1 / (end - start), 0)
}
/// Where the centres of the new elements lie among the old; with `corners` the outer centres fall together.
fn centres(to: Int, from: Int, ratio: Real, corners: Bool) -> real[to: to] {
  let i = iota([to: to])
  return if corners { i * (if to > 1 { (from - 1) / (to - 1) } else { 0 }) } else { (i + 0.5) * ratio - 0.5 }
}
/// Linear interpolation between the two neighbours.
fn linear_weights(to: Int, from: Int, ratio: Real, corners: Bool) -> real[to: to, from: from] {
  let at = min(max(centres(to, from, ratio, corners), 0), from - 1)
  return max(0, 1 - abs(expand(at, [to: to, from: from]) - iota([from: from])))
}
/// The cubic kernel with a = -0.75 over four neighbours, those outside replaced by the outermost.
fn cubic_weights(to: Int, from: Int, ratio: Real, corners: Bool) -> real[to: to, from: from] {
  let at   = centres(to, from, ratio, corners)
  let base = floor(at)
  let t    = at - base
  return sum([for k in -1..3: {
    let d = abs(t - k)
    let v = where(d < 1, (1.25 * d - 2.25) * d * d + 1, ((-0.75 * d + 3.75) * d - 6) * d + 3)
    return where(expand(min(max(base + k, 0), from - 1), [to: to, from: from]) == iota([from: from]), expand(v, [to: to, from: from]), 0)
  }])
}
/// Kernels widened when shrinking, so that nothing is left out: linear, or cubic with a = -0.5.
fn smooth_weights(to: Int, from: Int, ratio: Real, cubic: Bool) -> real[to: to, from: from] {
  let d = abs(expand((iota([to: to]) + 0.5) * ratio - 0.5, [to: to, from: from]) - iota([from: from])) / max(ratio, 1)
  let v = if cubic { where(d < 1, (1.5 * d - 2.5) * d * d + 1, where(d < 2, ((-0.5 * d + 2.5) * d - 4) * d + 2, 0)) } else { max(0, 1 - d) }
  return v / expand(sum(v, over: from), [to: to, from: from])
}

/// The picture continued beyond its edges as in a mirror on them.
fn reflect(x: real[...b, h, w], top: Int, bottom: Int, left: Int, right: Int) -> real[...r] {
  let rows = h - 1 - abs(h - 1 - abs(iota([row: h + top + bottom]) - top))
  let cols = w - 1 - abs(w - 1 - abs(iota([col: w + left + right]) - left))
  return x[h: rows][w: cols] |> rename(row: h, col: w)
}

/// The picture at places given in pixels, bilinear; 0 outside.
fn sample_pixels(x: real[...b, c, h, w], px: real[...b, row, col], py: real[...b, row, col]) -> real[...b, c, row, col] {
  let x0   = floor(px)
  let y0   = floor(py)
  let fx   = px - x0
  let fy   = py - y0
  let flat = view(x, `...b c h w -> ...b c p=(h w)`)
  return sum([for dy in 0..2: sum([for dx in 0..2: {
    let ix     = x0 + dx
    let iy     = y0 + dy
    let weight = (if dx == 1 { fx } else { 1 - fx }) * (if dy == 1 { fy } else { 1 - fy })
    let known  = ix >= 0 and ix < w and iy >= 0 and iy < h
    return flat[p: min(max(iy, 0), h - 1) * w + min(max(ix, 0), w - 1)] * where(known, weight, 0)
  }])])
}
/// The picture at places given as (x, y) from -1 to 1. With `corners`, -1 and 1 are the outer centres, else the outer edges. Outside the
/// picture there is 0, or with `border` the nearest edge.
fn sample_at(x: real[n, c, h, w], grid: real[n, row, col, xy: 2], border: Bool = false, corners: Bool = false) -> real[n, c, row, col] {
  let place  = fn(g: real[n, row, col], size: Int) => if corners { (g + 1) / 2 * (size - 1) } else { ((g + 1) * size - 1) / 2 }
  let inside = fn(p: real[n, row, col], size: Int) => if border { min(max(p, 0), size - 1) } else { p }
  return sample_pixels(x, inside(place(grid[xy: 0], w), w), inside(place(grid[xy: 1], h), h))
}

/// Each pixel from where a flow (x, y), in pixels, points; 0 from outside.
fn warp(x: real[n, c, h, w], flow: real[n, xy: 2, h, w]) -> real[n, c, h, w] {
  return sample_pixels(x, flow[xy: 0] + iota([w]), flow[xy: 1] + iota([h]))
}
/// The same as a matrix from the pixels of the source to those of the result.
fn warp_matrix(flow: real[n, xy: 2, h, w]) -> real[n, from: h * w, to: h * w] {
  let hat    = fn(place: real[n, h, w], count: Int) => max(0, 1 - abs(expand(place, [n, source: count, h, w]) - iota([source: count])))
  let across = hat(flow[xy: 0] + iota([w]), w) |> rename(source: col)
  let down   = hat(flow[xy: 1] + iota([h]), h) |> rename(source: row)
  return expand(down, [n, row, col: w, h, w]) * across |> view(`n row col h w -> n from=(row col) to=(h w)`)
}

/// Each pixel mixed with its eight neighbours, itself weighing `centre`; outside is 0.
fn smooth_3x3(x: real[...b, h, w], centre: Real = 1) -> real[...b, h, w] {
  let p    = pad(x, h: 1..1, w: 1..1)
  let tall = sum([for i in 0..3: p[h: i..i + h]])
  return (sum([for j in 0..3: tall[w: j..j + w]]) + (centre - 1) * x) / (8 + centre)
}
/// What a box (x1, y1, x2, y2) holds, resampled to a size; the box is data.
fn crop(x: real[...b, h, w], box: i32[corner: 4], to: Dim, by: Dim = to) -> real[...b, h: to, w: by] {
  let place = fn(count: Int, size: Int, first: i32, last: i32) =>
      max(0,
          1
          - abs(expand(clamp((iota([to: count]) + 0.5) * (last - first) / count - 0.5, 0, last - first - 1) + first,
                       [to: count, from: size]) - iota([from: size])))
  return resample(x, place(to, h, box[corner: 1], box[corner: 3]) |> rename(from: h),
                  place(by, w, box[corner: 0], box[corner: 2]) |> rename(to: by, from: w))
}

/// Where the eyes, the nose and the corners of the mouth (x, y) lie in an aligned face, `side` pixels wide and high.
fn face_points(side: Int) -> real[point: 5, xy: 2] {
  return stack([
    stack([38.2946, 51.6963], axis: xy), stack([73.5318, 51.5014], axis: xy), stack([56.0252, 71.7366], axis: xy),
    stack([41.5493, 92.3655], axis: xy), stack([70.7299, 92.2041], axis: xy)
  ], axis: point) * (side / 112)
}
/// The turn and scaling (a, b) and the shift (x, y) that bring points nearest to others: x' = a x - b y + shift, y' = b x + a y + shift.
fn similarity(from: real[...b, point, xy: 2], onto: real[point, xy: 2]) -> (real[...b], real[...b], real[...b, xy: 2]) {
  let centre = mean(from, over: point)
  let target = mean(onto, over: point)
  let p      = from - centre
  let q      = onto - target
  let size   = sum(p * p, over: [point, xy])
  let a      = sum(p * q, over: [point, xy]) / size
  let b      = sum(p[xy: 0] * q[xy: 1] - p[xy: 1] * q[xy: 0], over: point) / size
  let moved  = stack([a * centre[xy: 0] - b * centre[xy: 1], b * centre[xy: 0] + a * centre[xy: 1]], axis: xy) |> order([...b, xy])
  return (a, b, target - moved)
}
/// A face turned, scaled and moved so that its five points (x, y in pixels) lie where an aligned face has them; bilinear, 0 from outside.
fn align_face(x: real[...b, c, h, w], points: real[...b, point: 5, xy: 2], to: Dim = 112) -> real[...b, c, h: to, w: to] {
  let (a, b, shift) = similarity(points, face_points(to))
  let size   = a * a + b * b
  let grid   = fn(at: real[...b]) => expand(at, [...b, row: to, col: to])
  let across = expand(iota([col: to]), [...b, row: to, col: to]) - grid(shift[xy: 0])
  let down   = expand(iota([row: to]), [...b, row: to, col: to]) - grid(shift[xy: 1])
  return sample_pixels(x, (a * across + b * down) / size, (a * down - b * across) / size) |> rename(row: h, col: w)
}

test "a face that lies where it should stays" {
  let x = draw(uniform(0..1), [c: 2, h: 20, w: 20])
  expect near(align_face(x, face_points(20), to: 20), x, 1e-4)
}
property "points that are a turned face are turned back" {
  forall a: Real in 0.5..1.5, b: Real in -1..1, right: Real in -9..9, down: Real in -9..9
  let q     = face_points(112)
  let moved = stack([a * q[xy: 0] - b * q[xy: 1] + right, b * q[xy: 0] + a * q[xy: 1] + down], axis: xy) |> order([point, xy])
  let (c, d, shift) = similarity(moved, q)
  let back  = stack([c * moved[xy: 0] - d * moved[xy: 1], d * moved[xy: 0] + c * moved[xy: 1]], axis: xy) |> order([point, xy])
  expect near(back + shift, q, 0.01)
}
test "two faces are aligned each by its own points" {
  let x   = draw(uniform(0..1), [n: 2, c: 1, h: 16, w: 16])
  let far = expand(face_points(16), [n: 2, point: 5, xy: 2]) + 2 * iota([n: 2])
  let y   = align_face(x, far, to: 16)
  expect near(y[n: 0], x[n: 0], 1e-4)
  expect near(y[n: 1, h: 0..14, w: 0..14], x[n: 1, h: 2..16, w: 2..16], 1e-4)
}
