precision { compute: f16 }
const width = 4
precision { frozen: f16 }
