evaluate people {
  for subject in folders("faces") {
    measure auc: verification(ones([n: 2, f: 3]), ones([n: 2]))
  }
  report mean by metric to "people.json"
}
