"""Where work over chunks is done: here, or by workers of a pool or a cluster, with the same results."""

from meagraph.workers.coming import ChunkError
from meagraph.workers.mapping import HERE, Workers, map_chunks

__all__ = ["HERE", "ChunkError", "Workers", "map_chunks"]
