fn f(x: f33[n]) -> sigmoid { return x }
const pi_again: pi = 3
