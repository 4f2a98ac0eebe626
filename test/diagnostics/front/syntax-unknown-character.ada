const price = 3 § 4
