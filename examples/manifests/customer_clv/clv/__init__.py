"""Customer lifetime value by BG/NBD, in plain Python: `bgnbd` the mathematics, `model` the asset, `scoring` its use."""
