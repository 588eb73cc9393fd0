"""The tab of predictions: how far a model is from the labels, where, and on what most."""
