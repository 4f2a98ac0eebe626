evaluate lists {
  for subject in folders("faces") { measure pictures: length(subject.images) }
  report mean by subject to "report.{csv,xls}"
}
