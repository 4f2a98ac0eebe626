// IResNet (ArcFace recogniser). Written as trained; frozen, every BatchNorm after a convolution can be folded into it.
// The one BEFORE a zero-padded convolution cannot be folded exactly (its shift must not reach the padding). The compiler decides, the
// text stays the paper's.
import { Linear, Conv, BatchNorm, PReLU, of_pixel, pixel } from "std/nn.ada"

module IBlock(out: Dim, stride: Int) {
  part bn1   = BatchNorm()
  part conv1 = Conv(out, 3, biased: false)
  part bn2   = BatchNorm()
  part prelu = PReLU()
  part conv2 = Conv(out, 3, stride: stride, biased: false)
  part bn3   = BatchNorm()
  part downsample = [Conv(out, 1, stride: stride, biased: false), BatchNorm()] when stride > 1
  forward(x: real[...b, c: cin, h, w]) updates -> real[...b, c: out, h: floor((h - 1) / stride) + 1, w: floor((w - 1) / stride) + 1] {
    let y = x |> bn1 |> conv1 |> bn2 |> prelu |> conv2 |> bn3
    return y + (if has(downsample) { x |> downsample[0] |> downsample[1] } else { x })
  }
}

/// 100 layers by default; `stem` is the width of the first convolution, `stem_stride` 2 makes a small network for small pictures.
module IResNet(blocks: List<Int> = [3, 13, 30, 3], widths: List<Int> = [64, 128, 256, 512], out: Dim = 512, stem: Dim = 64,
               stem_stride: Int = 1) {
  part conv1    = Conv(stem, 3, stride: stem_stride, biased: false)
  part bn1      = BatchNorm()
  part prelu    = PReLU()
  part layer    = [for (n, c) in zip(blocks, widths): [for b in 0..n: IBlock(c, stride: if b == 0 { 2 } else { 1 })]]
  part bn2      = BatchNorm()
  part fc       = Linear(out)
  part features = BatchNorm()
  /// Identity of an aligned crop, NOT normalised. x in -1..1. Pictures of any size: `fc` learns how many numbers are left.
  forward(x: real[...b, c: 3, h, w]) updates -> real[...b, id: out] {
    let y = fold(flatten(layer), x |> conv1 |> bn1 |> prelu, fn(y, block) => block(y)) |> bn2
    let f = y |> view(`...b c h w -> ...b id=(c h w)`) |> fc
    return f |> pixel |> features |> of_pixel
  }
}

keys insightface for IResNet { layer[l][b] -> "layer{l + 1}.{b}" }
