fn faces(x: Real) -> Real { return x }
dataset pictures(root: Path) { source folder(root) }
step learn(face: faces) { minimize 1 }
step other(face: pictures) { minimize 1 }
train round like learn { data face = pictures("x") each step: other | pictures }
