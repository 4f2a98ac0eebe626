// The smallest training: which of 400 people is this? One linear layer on pixels.
import { Linear } from "std/nn.ada"
import { cross_entropy } from "std/losses.ada"
import { adamw } from "std/optim.ada"
dataset faces(root: Path) {
  source folders(root, files: "*.png", skip: "*_mask.png")
  order shuffled
  field who:   Int = subject
  field image: f32[c: 3, h: 32, w: 32] = load(file) |> to_range(-1..1)
}
model net = Linear(400) trained
step name_face(face: faces) {
  minimize cross_entropy(net(view(face.image, `batch c h w -> batch f=(c h w)`)), face.who)
}
train linear {
  data face = faces("data/quickstart/train")  each step: name_face
  batch 64  micro_steps 200  optimizer adamw(lr: 1e-3)  log every 20  seed 1
}
