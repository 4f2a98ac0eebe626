evaluate lists {
  for subject in folders("faces") {
    write [for f in subject.images: load(f)] to "{subject.name}.png"
  }
}
