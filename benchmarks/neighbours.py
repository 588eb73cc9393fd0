"""Exact nearest neighbours against approximate ones: seconds and recall at 20,000 to 100,000 representatives.

``python benchmarks/neighbours.py FILE [--sizes 20000 50000 100000] [--columns 64]``: environments drawn from the
context of a dataset, as the nodes of clusters and map are; as many neighbours as these ask for. Exact are the products
of matrices that the package takes from 17 columns on and SciPy's tree; approximate is pynndescent (Dong, Moses and Li,
WWW 2011), which UMAP brings along; with ``--more faiss hnsw`` also faiss, which the package does not need. Recall is
the share of the true neighbours among those found. Compiling is not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.descriptors import DescriptorConfig
from meagraph.files import write_json
from meagraph.graph.condensation import column_norms
from meagraph.latent.communities import neighbours_among
from meagraph.latent.neighbours import nearest_neighbours
from meagraph.pipeline.describing import describe
from meagraph.pipeline.opening import open_data

USUAL = ("products", "tree", "pynndescent")
RESULTS = Path(__file__).parent / "results"
Found = NDArray[np.int32]


def by_products(rows: NDArray[np.float32], count: int) -> Found:
    """What the package does."""
    return nearest_neighbours(rows, count, by_distance=True).index


def by_tree(rows: NDArray[np.float32], count: int) -> Found:
    """SciPy's k-d tree, on all cores."""
    return KDTree(rows).query(rows, k=count, workers=-1)[1].astype(np.int32)


def by_descent(rows: NDArray[np.float32], count: int) -> Found:
    """pynndescent, as UMAP asks it."""
    from pynndescent import NNDescent

    index = NNDescent(rows, n_neighbors=count, random_state=0, low_memory=True, max_candidates=60)
    found: Found = index.neighbor_graph[0]
    return found


def by_faiss(rows: NDArray[np.float32], count: int) -> Found:
    """Exact, by faiss's products of matrices."""
    import faiss

    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    found: Found = index.search(rows, count)[1].astype(np.int32)
    return found


def by_hnsw(rows: NDArray[np.float32], count: int) -> Found:
    """faiss's graph of small worlds (Malkov and Yashunin, IEEE TPAMI 42, 824, 2020), 32 links a row."""
    import faiss

    index = faiss.IndexHNSWFlat(rows.shape[1], 32)
    index.hnsw.efConstruction, index.hnsw.efSearch = 40, 2 * count
    index.add(rows)
    found: Found = index.search(rows, count)[1].astype(np.int32)
    return found


WAYS: dict[str, Callable[[NDArray[np.float32], int], Found]] = {
    "products": by_products,
    "tree": by_tree,
    "pynndescent": by_descent,
    "faiss": by_faiss,
    "hnsw": by_hnsw,
}


def recall(found: Found, true: Found) -> float:
    """The share of the ``true`` neighbours (M, k) that are among those ``found``, of every hundredth row."""
    rows = range(0, len(true), 100)
    return float(np.mean([len(np.intersect1d(found[row], true[row])) / true.shape[1] for row in rows]))


def main() -> None:
    """Measure, print a table, and write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 50_000, 100_000])
    parser.add_argument("--own", action="store_true", help="rows of the descriptor, as outliers are told by")
    parser.add_argument("--more", nargs="+", default=[], choices=["faiss", "hnsw"])
    parser.add_argument("--neighbours", type=int, help="of each (default: as clusters ask for)")
    parser.add_argument("--tree-up-to", type=int, default=20_000, help="rows for which the tree is tried")
    parser.add_argument("--write", type=Path, default=RESULTS / "neighbours.json")
    options = parser.parse_args()
    described = describe(open_data(options.data), DescriptorConfig(), context=True)
    context = described.context
    assert context is not None
    if options.own:
        context = (described.own / column_norms(described.own)).astype(np.float32)
    rng = np.random.default_rng(0)
    ways = {name: way for name, way in WAYS.items() if name in (*USUAL, *options.more)}
    for way in ways.values():
        way(rng.normal(size=(5_000, context.shape[1])).astype(np.float32), 25)  # compiles
    found: list[dict[str, Any]] = []
    for size in options.sizes:
        rows = np.asarray(context[np.sort(rng.choice(len(context), size, replace=False))], dtype=np.float32)
        count = options.neighbours or neighbours_among(size)
        true: Found | None = None
        for name, way in ways.items():
            if name == "tree" and size > options.tree_up_to:
                continue
            wall, processor = time.perf_counter(), time.process_time()
            index = way(rows, count)
            used = (time.perf_counter() - wall, time.process_time() - processor)
            true = index if true is None else true
            found.append(
                {"rows": size, "columns": rows.shape[1], "neighbours": count, "way": name}
                | {"seconds": round(used[0], 1), "processor_seconds": round(used[1], 1)}
                | {"recall": round(recall(index, true), 4)}
            )
            print(found[-1], flush=True)
            write_json(options.write, found)


if __name__ == "__main__":
    main()
