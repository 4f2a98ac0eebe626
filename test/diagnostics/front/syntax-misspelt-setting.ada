train round {
  bach 4
}
