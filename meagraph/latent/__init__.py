"""The latent space: neighbours, clusters and their stability, the map, and new data placed in it."""
