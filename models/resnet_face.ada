// The grey-scale ArcFace network: a face in shades, 128 pixels wide and high, becomes its identity.
import { BatchNorm, Conv, Linear, of_pixel, pixel } from "std/nn.ada"
import { max_pool } from "std/image.ada"

/// One slope for all channels.
module Slope() {
  param weight: f32[slope: 1] = 0.25
  forward(x: real[...b, c, h, w]) -> real[...b, c, h, w] { return max(x, 0) + weight[slope: 0] * min(x, 0) }
}

module FaceBlock(out: Dim, stride: Int) {
  part bn0   = BatchNorm()
  part conv1 = Conv(cin, 3, biased: false)
  part bn1   = BatchNorm()
  part prelu = Slope()
  part conv2 = Conv(out, 3, stride: stride, biased: false)
  part bn2   = BatchNorm()
  part downsample = [Conv(out, 1, stride: stride, biased: false), BatchNorm()] when stride > 1
  forward(x: real[...b, c: cin, h, w]) updates -> real[...b, c: out, h: floor((h - 1) / stride) + 1, w: floor((w - 1) / stride) + 1] {
    let y = x |> bn0 |> conv1 |> bn1 |> prelu |> conv2 |> bn2
    return prelu(y + (if has(downsample) { x |> downsample[0] |> downsample[1] } else { x }))
  }
}

module ResNetFace(blocks: List<Int> = [2, 2, 2, 2], widths: List<Int> = [64, 128, 256, 512], out: Dim = 512) {
  part conv1 = Conv(widths[0], 3, biased: false)
  part bn1   = BatchNorm()
  part prelu = Slope()
  part layer = [for l in 0..4: [for b in 0..blocks[l]: FaceBlock(widths[l], stride: if b == 0 and l > 0 { 2 } else { 1 })]]
  part bn4   = BatchNorm()
  part fc5   = Linear(out)
  part bn5   = BatchNorm()
  /// Identity, not normalised. x in -1..1.
  forward(x: real[...b, c: 1, h, w]) updates -> real[...b, id: out] {
    let x = max_pool(x |> conv1 |> bn1 |> prelu, 2)
    let y = fold(flatten(layer), x, fn(y, block) => block(y)) |> bn4
    let f = y |> view(`...b c h w -> ...b id=(c h w)`) |> fc5
    return f |> pixel |> bn5 |> of_pixel
  }
}

keys arcface_grey for ResNetFace { layer[l][b] -> "layer{l + 1}.{b}" }
