"""A quick linear force field: what the labels should be, as far as the other labels tell."""
