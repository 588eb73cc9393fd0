"""MEAViz: brush, inspect and prune the atomic environments of a dataset, in the browser."""
