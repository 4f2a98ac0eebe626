const path = "C:\data"
