// BiSeNet, which says of every pixel of a face what it belongs to (19 classes): a ResNet-18, attention to its last two levels, and their fusion
// with the second.
import { BatchNorm, Conv, of_pixel, pixel, relu, upsample } from "std/nn.ada"
import { linear_weights, max_pool, resample } from "std/image.ada"

/// Convolution, norm and ReLU.
module ConvBn(out: Dim, size: Int) {
  part conv = Conv(out, size, biased: false)
  part bn   = BatchNorm()
  forward(x: real[...b, c, h, w]) updates -> real[...b, c: out, h, w] { return x |> conv |> bn |> relu }
}

module ResBlock(out: Dim, stride: Int) {
  part conv1 = Conv(out, 3, stride: stride, biased: false)
  part bn1   = BatchNorm()
  part conv2 = Conv(out, 3, biased: false)
  part bn2   = BatchNorm()
  part downsample = [Conv(out, 1, stride: stride, biased: false), BatchNorm()] when stride > 1
  forward(x: real[...b, c: cin, h, w]) updates -> real[...b, c: out, h: floor((h - 1) / stride) + 1, w: floor((w - 1) / stride) + 1] {
    let y = x |> conv1 |> bn1 |> relu |> conv2 |> bn2
    return relu(y + (if has(downsample) { x |> downsample[0] |> downsample[1] } else { x }))
  }
}

/// Channels weighed by what their means say.
module Attended(out: Dim) {
  part conv       = ConvBn(out, 3)
  part conv_atten = Conv(out, 1, biased: false)
  part bn_atten   = BatchNorm()
  forward(x: real[...b, c, h, w]) updates -> real[...b, c: out, h, w] {
    let f = conv(x)
    let a = sigmoid(mean(f, over: [h, w]) |> pixel |> conv_atten |> bn_atten)
    return f * of_pixel(a)
  }
}

module Head(mid: Dim, classes: Dim) {
  part conv     = ConvBn(mid, 3)
  part conv_out = Conv(classes, 1, biased: false)
  /// Logits at another size; the outer centres fall together.
  forward(x: real[...b, c, h, w], to: Dim, by: Dim) updates -> real[...b, c: classes, h: to, w: by] {
    let y    = x |> conv |> conv_out
    let rows = linear_weights(to, h, h / to, true) |> rename(from: h)
    let cols = linear_weights(by, w, w / by, true) |> rename(to: by, from: w)
    return resample(y, rows, cols)
  }
}

module BiSeNet(widths: List<Int> = [64, 128, 256, 512], classes: Dim = 19) {
  part cp.resnet.conv1 = Conv(widths[0], 7, stride: 2, biased: false)
  part cp.resnet.bn1   = BatchNorm()
  part cp.resnet.layer = [for l in 0..4: [ResBlock(widths[l], stride: if l == 0 { 1 } else { 2 }), ResBlock(widths[l], stride: 1)]]
  part cp.arm16       = Attended(widths[1])
  part cp.arm32       = Attended(widths[1])
  part cp.conv_head32 = ConvBn(widths[1], 3)
  part cp.conv_head16 = ConvBn(widths[1], 3)
  part cp.conv_avg    = ConvBn(widths[1], 1)
  part ffm.convblk    = ConvBn(widths[2], 1)
  part ffm.conv1      = Conv(widths[2] / 4, 1, biased: false)
  part ffm.conv2      = Conv(widths[2], 1, biased: false)
  part conv_out       = Head(widths[2], classes)
  part conv_out16     = Head(widths[0], classes)
  part conv_out32     = Head(widths[0], classes)

  /// The levels of a picture: fused at 1/8, and those at 1/8 and 1/16 before.
  fn levels(x: real[...b, c: 3, h, w]) updates -> {
    fused: real[...b, c: widths[2], h: h / 8, w: w / 8],
    u16:   real[...b, c: widths[1], h: h / 8, w: w / 8],
    u32:   real[...b, c: widths[1], h: h / 16, w: w / 16]
  } {
    let x     = x |> cp.resnet.conv1 |> cp.resnet.bn1 |> relu
    let x     = max_pool(x, 3, stride: 2, border: 1)
    let two   = fold(cp.resnet.layer[0], x, fn(y, r) => r(y))
    let eight = fold(cp.resnet.layer[1], two, fn(y, r) => r(y))
    let half  = fold(cp.resnet.layer[2], eight, fn(y, r) => r(y))
    let last  = fold(cp.resnet.layer[3], half, fn(y, r) => r(y))
    let all   = mean(last, over: [h, w]) |> pixel |> cp.conv_avg |> of_pixel
    let u32   = upsample(cp.arm32(last) + all) |> cp.conv_head32
    let u16   = upsample(cp.arm16(half) + u32) |> cp.conv_head16
    let f     = ffm.convblk(concat([eight, u16], axis: c))
    let a     = mean(f, over: [h, w]) |> pixel |> ffm.conv1 |> relu |> ffm.conv2 |> sigmoid
    return { fused: f * of_pixel(a) + f, u16: u16, u32: u32 }
  }
  /// Logits at the size of the picture, whose sides are multiples of 32.
  forward(x: real[...b, c: 3, h, w]) updates -> real[...b, c: classes, h, w] { return conv_out(levels(x).fused, h, w) }
  /// The same with the two that only training looks at.
  fn heads(x: real[...b, c: 3, h, w]) updates
      -> { out: real[...b, c: classes, h, w], out16: real[...b, c: classes, h, w], out32: real[...b, c: classes, h, w] } {
    let f = levels(x)
    return { out: conv_out(f.fused, h, w), out16: conv_out16(f.u16, h, w), out32: conv_out32(f.u32, h, w) }
  }
}

keys face_parsing for BiSeNet { cp.resnet.layer[l][b] -> "cp.resnet.layer{l + 1}.{b}" }
