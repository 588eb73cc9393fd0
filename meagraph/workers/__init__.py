"""Where work over chunks is done: here, or by workers of a pool or a cluster, with the same results."""

from meagraph.workers.mapping import HERE, ChunkError, Workers, map_chunks

__all__ = ["HERE", "ChunkError", "Workers", "map_chunks"]
