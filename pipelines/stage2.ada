// Stage 2: compositional distillation every third update, otherwise reconstruction or Arc2Face distillation.
import { unet, vae, text, scorer, encoder, place, max_chain, identity, core, background, jittered_id, jitter, per_layer, skip_weights,
         encode, merge_words, share_slot,
         mixed_contexts, looks, sides, weights, pairs } from "./adaface.ada"
import { distill, decay } from "./stage1.ada"
import { FaceEncoder, widen_kv } from "../models/face_encoder.ada"
import { everywhere } from "../models/unet.ada"
import { BatchNorm, zoom } from "std/nn.ada"
import { noised, clean, guided } from "std/diffusion.ada"
import { prodigy, clip_norm } from "std/optim.ada"
import { recon } from "std/masks.ada"
import { prompt_delta, attention_masks, cross_layer, delta_distill, keep_foreground } from "./losses.ada"
import { faces, me, me_placed, them, them_placed, single, composed, photo, composition, nothing } from "./data.ada"

/// A copy of the encoder as it is when this run starts; saved with the run, never trained.
model anchor  = copy(encoder) frozen
model q_norms = [for l in 0..12: BatchNorm(affine: false)] trained

/// What a subject's last successful lesson left behind. Part of the checkpoint.
state lessons: Table<{ x: f32[kind: 2, c: 4, h: 64, w: 64], fg: f32[h: 64, w: 64], id: f32[id: 512], t: i32, frame: Text, how: Text,
                       class: Text, scene: f32[tokens: 257, width: 1024]?, kept: Bool }>(key: Text, at_most: 100, evict: random)

/// Reconstruction of the subject's own picture; attention in its mask; the prompts change alike.
step reconstruct(face: faces) {
  let placed = draw(coin(0.5))                                                           // background slot or not: two graphs
  let fg     = resize_nearest(face.fg, 64, 64)
  let valid  = resize_nearest(face.valid, 64, 64)
  let id     = jittered_id(identity(face.crop), draw(coin(0.5)) * draw(uniform(0.01..0.02)))
  let mine   = jitter(per_layer(encoder(core(id))), p: 0.6)
  let there  = if placed { jitter(place(background(face.image, 1 - face.fg)), p: 0.6) } else { none }
  let frame  = draw(photo, [batch])
  let how    = draw(composition, [batch])
  let subj   = if placed { me_placed } else { me }
  let cls    = if placed { them_placed(face.class) } else { them(face.class) }
  let mix    = skip_weights()
  let p      = stack([single(frame, subj), composed(frame, subj, how)], axis: kind)
  let q      = stack([single(frame, cls), composed(frame, cls, how)], axis: kind)
  let s      = encode(p, mix, face: mine, bg: there)
  let c      = class_context(q, mix, placed)

  let t0    = draw(integer(0..1000), [batch])
  let t     = where(draw(coin(linear(0.5 -> 0.3))), t0, floor(lerp(0.8 * t0, min(1.3 * t0 + 1, 1000), draw(uniform(0..1), [batch]))))
  let x     = vae.encode(face.image, fg, valid)
  let noise = draw(normal, like: x)
  let own   = s[kind: 0]
  let run   = unet(noised(x, noise, t), t, { k: own, v: own }, valid) watch { down[2][0..2], mid, up[1..4][*] as layers }
  let sc    = [for (a, side) in zip(run.layers, sides): looks(a.attn.cross.score, p.face[kind: 0], side)]
  let bc    = if placed { [for (a, side) in zip(run.layers, sides): looks(a.attn.cross.score, p.bg[kind: 0], side)] } else { none }

  minimize recon(run.value, noise, valid, fg, wf: 1, wb: if placed { 0.1 } else { 0 })
  minimize 2e-4 * attention_masks(sc, bc, fg, where(face.has_mask, 1, 0), weights)
  minimize 5e-5 * 0.2 * cross_layer([for a in sc: mean(a, over: head)], pairs)
  if placed { minimize 5e-5 * 0.06 * cross_layer([for a in bc: mean(a, over: head)], pairs) }
  minimize 2e-5 * prompt_delta(stack([s, c], axis: role), p.plain)
}

/// Class prompts: words merged into one row, the row shared over the slot's positions.
fn class_context(q: Prompt[...b], mix: real[last], placed: Bool) -> real[...b, layer: 16, tokens: 77, width: 768] {
  let c = encode(q, mix) |> merge_words(q.class[slot: 0], words(q.class)) |> share_slot(q.class)
  return if placed { share_slot(c, q.other) } else { c }
}

/// The photographed subject, smaller and off its background, as a start for both images.
fn start_latent(x: real[c: 4, h, w], fg: real[h, w], count: Int, noise: Real) random -> (real[cand: count, c: 4, h, w], real[h, w]) {
  let f     = mean(fg)
  let e     = where(f > 0.1, (0.1 / f) ** 0.35, 1)
  let lo    = where(f > 0.1, 0.7 * e, 0.7)
  let hi    = where(f > 0.1, max(0.5, e), 1)
  let scale = lo + (hi - lo) * draw(uniform(0..1))
  let small = where(zoom(fg, scale) > 0.5, 1, 0)
  let body  = zoom(where(fg > 0, x, draw(normal, like: x)), scale)
  let base  = where(expand(small, like: body) > 0, body, draw(normal, like: body))
  let a     = clamp(noise * draw(uniform(0.8..1.2)), 0, 1)
  return (draw(normal, [cand: count, c: 4, h, w]) * a + expand(base, [cand: count, c: 4, h, w]) * (1 - a), small)
}

/// How well pictures fit the class prompt: [...b] of CLIP losses.
fn misfit(x0: real[...b, c: 4, h, w], p: Prompt) -> real[...b] {
  return 0.5 - dot(scorer.image(vae.decode(x0)), scorer.text(p), over: f)
}

/// A picture composed with a prompt, taught by a mix of the subject's context and the class's. Graphs: fresh or from memory, with or without background slot, with or without subject mask.
step compose(face: one of faces) {
  let known   = lessons.has(face.subject) and draw(coin(if face.mixed { 0.25 } else { 1 }))
  let last    = if known { lessons.take(face.subject) } else { none }
  let frame   = if known { last.frame } else { if draw(coin(0.9)) { "a face portrait of a" } else { draw(photo) } }
  let how     = if known { last.how } else { draw(composition) }
  let class   = if known { last.class } else { face.class }
  let placed  = if known { has(last.scene) } else { draw(coin(0.5)) }
  let scene   = if known { last.scene } else { if placed { background(face.image, 1 - face.fg) } else { none } }
  let true_id = if known { last.id } else { identity(face.crop) }

  // Four prompts, [role] x [kind].
  let id    = jittered_id(true_id, draw(coin(0.5)) * draw(uniform(0.01..0.02)))
  let mine  = encoder(core(id))
  let calm  = 0.9 * anchor(core(id)) + 0.1 * mine                                        // the single prompt stays near the start
  let mine  = jitter(stack([per_layer(calm), per_layer(mine)], axis: kind), p: 0.4)
  let there = if placed { jitter(expand(place(scene), [kind: 2, layer: 16, slot: 4, width: 768]), p: 0.4) } else { none }
  let subj  = if placed { me_placed } else { me }
  let cls   = if placed { them_placed(class) } else { them(class) }
  let mix   = skip_weights()
  let p     = stack([single(frame, subj), composed(frame, subj, how)], axis: kind)
  let q     = stack([single(frame, cls), composed(frame, cls, how)], axis: kind)
  let s     = encode(p, mix, face: mine, bg: there)
  let c     = class_context(q, mix, placed)
  let blank = everywhere(text(text.embed(nothing), mix: mix))
  minimize 2e-5 * prompt_delta(expand(stack([s, c], axis: role), [role: 2, kind: 2, n: 1, layer: 16, tokens: 77, width: 768]),
                               expand(p.plain, [kind: 2, n: 1, tokens: 77]))

  // A start worth learning from: remembered, or the best of two auditions.
  let begin = if known {
    { x: last.x, fg: last.fg, noise: draw(normal, [c: 4, h: 64, w: 64]), t: min(draw(integer(400..700)), last.t - 150), kept: last.kept }
  } else {
    let fg = resize_nearest(face.fg, 64, 64)
    let z  = vae.encode(face.image, fg, resize_nearest(face.valid, 64, 64))
    let (x, small) = if face.has_mask {
      start_latent(z, fg, count: 2, noise: linear(0.1 -> 0.4))
    } else { (draw(normal, [cand: 2, c: 4, h: 64, w: 64]), fg) }
    let t     = draw(integer(800..1000), [cand: 2])
    let noise = draw(normal, like: x)
    let one   = noised(x, noise, t)
    let noisy = expand(one, [role: 2, cand: 2, c: 4, h: 64, w: 64])
    let ctx   = stop(mixed_contexts(s[kind: 1], c[kind: 1], p.face[kind: 1], t, trust: linear(1 -> 0.7)))
    let eps   = guided(unet(noisy, t, ctx), unet(one, t, blank), stack([5, 6], axis: role))
    let loss  = misfit(clean(noisy, eps, t), q[kind: 1])                                 // [role, cand]
    let lead  = loss[role: 0] - loss[role: 1]
    let fit   = loss[role: 1] <= 0.28 and lead > 0.002
    require read(any(fit)) as "no teachable candidate"                                   // the only wait of a fresh iteration
    let best = argmax(where(fit, lead, -inf), over: cand)
    return { x: expand(x[cand: best], [kind: 2, c: 4, h: 64, w: 64]), fg: small, noise: noise[cand: best], t: t[cand: best],
             kept: face.has_mask }
  }

  // The lesson, with gradients.
  let one   = noised(begin.x, begin.noise, begin.t)
  let noisy = expand(one, [role: 2, kind: 2, c: 4, h: 64, w: 64])
  let run = unet(noisy, begin.t, mixed_contexts(s, c, p.face, begin.t, trust: linear(1 -> 0.7))) watch { down[2][0..2], mid,
                                                                                                         up[1..4][*] as layers }
  let plain = unet(one, begin.t, blank)
  let x0    = clean(noisy, guided(stop(run.value), plain, stack([5, 6], axis: role)), begin.t)
  if known {
    let loss = misfit(x0[kind: 1], q[kind: 1])
    require read(loss[role: 1] <= 0.28 and loss[role: 0] - loss[role: 1] > 0.002) as "lesson forgotten"
  }

  let seen = [for (a, side) in zip(run.layers, sides): {
    score: looks(a.attn.cross.score, p.face, side),
    query: a.attn.cross.query |> view(`...b head (h w) d -> ...b head h w d`, h: side),
    out:   a.out
  }]
  minimize (if begin.kept { 0.5 } else { 1 }) * 1e-4 * delta_distill(seen, weights, norms: where(draw(coin(0.5)), 1, 0))
  if begin.kept { minimize (if known { 0.25 } else { 0.5 }) * 1e-3 * keep_foreground(seen, weights, begin.fg, q_norms) }
  minimize 5e-5 * 0.2 * cross_layer([for a in seen: mean(a.score[role: 0], over: head) |> rename(kind: n)], pairs)

  if not known {
    update lessons[face.subject] = { x: stop(x0[role: 0]), fg: begin.fg, id: true_id, t: begin.t, frame: frame, how: how, class: class,
                                     scene: scene, kept: begin.kept }
  }
  log { known, t: begin.t, clip_skip: mix }
}

train stage2 {
  model encoder = FaceEncoder(kv: [for l in 0..12: 2]) from "runs/earlier/embeddings_gs-30000" surgery widen_kv trained
  const max_chain = 3
  data face = faces("VGGface2_HQ_masks", mixed: "FFHQ_masks", person_types: "meta_subj2person_type.json")
  batch 3  accumulate 2 by sum  micro_steps 60_000
  each step: every 3 updates: compose otherwise: [0.2] distill | [0.8] reconstruct
  gradient clip_norm(0.5)
  optimizer prodigy(lr: decay(1000), d_coef: 0.5)
  save every 500  log every 10
  compat fixed
  seed 42
}
