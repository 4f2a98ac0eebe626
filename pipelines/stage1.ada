// Stage 1: the inverse encoder learns to drive Stable Diffusion the way Arc2Face drives its own UNet. Two rounds.
import { unet, arc, vae, encoder, max_chain, identity, core, teacher_context, jittered_id, jitter, per_layer, skip_weights, encode, looks,
         sides, pairs } from "./adaface.ada"
import { FaceEncoder, widen_kv } from "../models/face_encoder.ada"
import { noised, denoise_chain } from "std/diffusion.ada"
import { prodigy, clip_norm } from "std/optim.ada"
import { recon } from "std/masks.ada"
import { cross_layer } from "./losses.ada"
import { faces, me, single, photo } from "./data.ada"

/// `from` and `n` choose among thirteen static graphs (`adac plan` lists them); every other draw is data.
step distill(face: faces) {
  let from   = draw(pick(["random", "one", "own"], weights: [0.4, 0.36, 0.24]))
  let follow = from != "own" or any(not face.has_face) or draw(coin(0.5))               // follow the teacher, or the true noise
  let n      = if follow { draw(pick([1, 3, 5, 7], weights: [0.4, 0.3, 0.2, 0.1], at_most: max_chain)) } else { 1 }

  // Whose identity, which latent, which masks.
  let here = if from == "random" {
    { id: unit(draw(normal, [batch, id: 512]), over: id), x: draw(normal, [batch, c: 4, h: 64, w: 64]), fg: ones([batch, h: 64, w: 64]),
      valid: ones([batch, h: 64, w: 64]) }
  } else {
    let fg    = resize_nearest(face.fg, 64, 64)
    let valid = resize_nearest(face.valid, 64, 64)
    let own = { id: where(face.has_face, identity(face.crop), unit(draw(normal, [batch, id: 512]), over: id)),
                x: vae.encode(face.image, fg, valid), fg: fg, valid: valid }
    return if from == "own" { own } else {
      let first = expand(own[batch: 0], like: own)                                        // a record is indexed field by field
      return first with { id: jittered_id(first.id, draw(uniform(0.02..0.06))) }
    }
  }
  let few = ceil(batch / n)                                                               // longer chains, fewer samples
  let cut = here[batch: 0..few]

  // The student's prompt: K vectors in the token space, noise on identity and on vectors.
  let calm = from == "one"
  let seen = jittered_id(cut.id, if calm { 0 } else { draw(coin(0.5)) * draw(uniform(0.01..0.02)) })
  let mine = jitter(per_layer(encoder(core(seen))), p: 0.6)
  let p    = single(draw(photo, [batch: few]), me)
  let ctx  = encode(p, skip_weights(), face: mine)

  // Earlier times; long chains start late.
  let t0 = draw(integer(0..1000), [batch: few])
  let t1 = where(draw(coin(linear(0.4 -> 0.2))), t0, floor(lerp(t0, min(1.3 * t0 + 1, 1000), draw(uniform(0..1), [batch: few]))))
  let t  = if n > 1 { floor((4 * t1 + (n - 1) * 1000) / (3 + n)) } else { t1 }

  // The teacher has no trained leaf, so nothing of it is differentiated.
  let shots  = denoise_chain(arc, teacher_context(cut.id), cut.x, t, n)
  let taught = [for s in shots[-clamp(floor(7 / few), 1, n)..]: {  // at most seven samples with gradients
    let run = unet(noised(s.x, s.noise, s.t), s.t, { k: ctx, v: ctx }, valid: cut.valid) watch { down[2][0..2], mid, up[1..4][*] as layers }
    let target = if follow { s.eps } else { s.noise }
    let bg     = if from == "random" { 1 } else { if follow { 0 } else { 0.1 } }
    return { loss: recon(run.value, stop(target), cut.valid, cut.fg, wf: 1, wb: bg), layers: run.layers }
  }]
  let loss = sum([for s in taught: s.loss]) / sqrt(n)
  minimize loss
  if not follow {
    minimize 5e-5 * 0.2
        * cross_layer([for (a, side) in zip(taught[0].layers, sides): mean(looks(a.attn.cross.score, p.face, side), over: head)], pairs)
  }
  log { loss, n, from }
}

schedule decay(warmup: Int) = constant(1) for warmup then linear(1 -> 0.0909) to end

train round1 {
  data face = faces("VGGface2_HQ_masks", mixed: "FFHQ_masks", person_types: "meta_subj2person_type.json")
  batch 4  accumulate 2 by sum  micro_steps 120_000            // 60 000 updates
  each step: distill
  gradient clip_norm(0.5)
  optimizer prodigy(lr: decay(600), d_coef: 1)
  save every 500  log every 10
  seed 42
}

/// Prodigy starts afresh, keys and values are four times as many.
train round2 like round1 {
  model encoder = FaceEncoder(kv: [for l in 0..12: 4]) from round1 surgery widen_kv trained
  seed 43
}
