// Pictures of every subject for every prompt line; CLIP text and image scores, face similarity, a report.
import { unet, vae, text, scorer, encoder, identity, core, per_layer, encode } from "./adaface.ada"
import { everywhere } from "models/unet.ada"
import { ddim, ddim_plan } from "std/diffusion.ada"

const bad = "flaws in the eyes, flaws in the face, lowres, poorly drawn, watermark, blurry, deformed hands, extra limbs, cropped, duplicate, nude"
const skip = [0.5, 0.5]

prompt plain(words: Text) = "{words}"

/// One line of a prompt list, five tab-separated fields. `{face}` (or the old `z, , ,`) must stand in the third, or the line is rejected.
type Line = { repeat: Int, folder: Text, prompt: Prompt<face: 16>, long: Text, short: Text }

fn pictures(face: real[id: 512], p: Prompt<face: 16>, n: Int) random -> real[n, c: 3, h: 512, w: 512] {
  let c = encode(p, skip, face: per_layer(encoder(core(face))))
  let u = everywhere(text(text.embed(plain(bad)), mix: skip))
  let x = draw(normal, [n: n, c: 4, h: 64, w: 64])
  return vae.decode(ddim(unet, x, { k: c, v: c }, u, ddim_plan(50, eta: 0, guidance: linear(4 -> 1))))
}

evaluate celebrities {
  model encoder from "runs/stage2/last"                    // its shapes (kv per layer) are recorded in the file
  seed 42
  for subject in folders("subjects-celebrity") {
    let known = [for f in subject.images: load(f)]
    let shown = [for i in known: align_face(i, 112, largest: area)] |> present              // those in which a face was found
    require length(shown) > 0 as "no face in {subject.name}"
    let id = unit(mean([for f in shown: identity(f)]), over: id)
    for line in lines("samples/{subject.name}-prompts-all-16.txt", as: Line) {
      let made  = pictures(id, line.prompt, n: 4, stream: "{subject.name}/{line.long}")
      let found = present([for i in unstack(made, axis: n): align_face(i, 112, largest: area)])
      write made to "samples/{line.folder}/{i:05}.jpg"
      measure clip_text:  mean(dot(scorer.image(made), scorer.text(plain(line.long)), over: f))
      measure clip_image: mean(cosine_pairs(stack([for i in known: scorer.image(i)], axis: m), scorer.image(made)))
      measure face_sim: mean(cosine_pairs(stack([for f in shown: identity(f)], axis: n), stack([for f in found: identity(f)], axis: m)))
          when length(found) > 0
      measure faceless: 4 - length(found)
    }
  }
  report mean, ci95 by [subject, metric] to "samples/report.{csv,json,html}"
}
