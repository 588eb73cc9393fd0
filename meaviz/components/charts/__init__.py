"""Charts: bars, curves, histograms, heat maps."""
