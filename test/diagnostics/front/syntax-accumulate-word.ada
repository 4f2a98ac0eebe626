train round {
  accumulate 2 by maximum
}
