"""The published clusters at any pooling rate, at once: the stability curve of a model, kept in the cache."""

from __future__ import annotations

from meagraph.files import cache_directory, content_key, read_cached
from meagraph.graph import similarity_graph
from meagraph.pipeline import CACHE_VERSION, Learned, PipelineConfig
from meagraph.progress import Progress, part, silent
from meagraph.stability import RATES, Stability, rate_stability, read_stability, write_stability


def look_along_rates(
    learned: Learned, config: PipelineConfig, *, cache: bool = True, progress: Progress = silent
) -> Stability:
    """The stability curve of the pooling rate, from the cache where it was computed before.

    Minutes at most the first time, milliseconds from then on (benchmarks/README.md).
    """
    key = content_key({"version": CACHE_VERSION, "model": learned.key, "rates": RATES})
    stored = cache_directory("stability") / f"stability-{key}.npz"
    if cache and (known := read_cached(stored, read_stability)) is not None:
        progress(1, 1, "stability from the cache")
        return known
    graph = similarity_graph(learned.points, learned.condensed, config.graph, progress=part(progress, 0.0, 0.1))
    result = rate_stability(learned.load(), graph, learned.condensed, progress=part(progress, 0.1, 1.0))
    if cache:
        write_stability(stored, result)
    return result
