// Walks: what lists of folders and lines hold, what texts name in braces, faces that may not be found.
type Line = { repeat: Int, folder: Text }
module Net() {
  param weight: f32[f: 4, c: 3] = 1
  forward(x: real[...b, c: 3, h: 112, w: 112]) -> real[...b, f: 4] { return dot(mean(x, over: [h, w]), weight, over: c) |> order([...b, f]) }
}
model net = Net() frozen
evaluate people {
  for subject in folders("people") {
    let crops = [for f in subject.images: align_face(load(f), 96)]
    let faces = present(crops)
    require length(faces) > 0 as "nobody in {subjet.name}"
    for line in lines("{subject.nam}.txt", as: Line) {
      measure wide: mean(net(faces[0])) + line.repeats
      write faces to "{line.folder}/{j:03}-{i:03}.png"
    }
  }
  report mean by [subject, metric] to "report.json"
}
