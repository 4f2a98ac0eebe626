evaluate lists {
  for line in lines("prompts.txt") { measure one: 1 }
  report maen by metric to "report.csv"
}
