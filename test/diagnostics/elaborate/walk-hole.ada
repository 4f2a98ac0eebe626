evaluate lists {
  for subject in folders("faces") {
    for line in lines("{subject.nam}.txt") { measure one: 1 }
  }
}
