evaluate lists {
  for subject in folders("faces") {
    for f in subject.images { measure bright: 1 when mean(load(f)) > 0 }
  }
  report mean by [subject, metric] to "report.csv"
}
