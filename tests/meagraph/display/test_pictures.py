"""Maps as pictures: what is drawn, by the colours of the pixels."""

from __future__ import annotations

import base64
import io
import re

import matplotlib.image
import numpy as np
import pytest

from meagraph.display import pictures
from meagraph.display.pictures import CATEGORIES, KEPT, NONE, PRUNED, cluster_layers, kept_layers, map_image


def colours(html: str) -> set[str]:
    """The colours of the pixels of the picture in ``html``."""
    match = re.fullmatch(r'<img alt="[^"<>]*" width="\d+" src="data:image/png;base64,([A-Za-z0-9+/=]+)">', html)
    assert match is not None
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(match[1])), format="png")[..., :3]
    found = np.unique((255 * pixels).round().astype(int).reshape(-1, 3), axis=0)
    return {"#" + "".join(f"{part:02X}" for part in pixel) for pixel in found}


def test_a_map_by_cluster_has_a_colour_for_each_and_grey_for_none() -> None:
    xy = np.random.default_rng(0).normal(size=(60, 2))
    bins = np.repeat([0, 1, 2], 20)
    layers = cluster_layers(bins, 2)
    assert [(int(mask.sum()), name) for mask, _, name in layers] == [
        (20, "none (20)"),
        (20, "cluster 0 (20)"),
        (20, "cluster 1 (20)"),
    ]
    seen = colours(map_image(xy, layers, "Map"))
    assert {CATEGORIES[0], CATEGORIES[1], NONE} <= seen
    assert CATEGORIES[2] not in seen
    assert {KEPT, PRUNED} <= colours(map_image(xy, kept_layers(bins == 1), "Map"))
    layers = kept_layers(bins == 1, bins == 0)
    assert [mask.tolist() for mask, _, _ in layers] == [(bins == 0).tolist(), (bins > 1).tolist(), (bins == 1).tolist()]
    assert layers[0][2].startswith("known already")


def test_many_clusters_are_drawn_and_the_largest_named() -> None:
    layers = cluster_layers(np.arange(40), 40)
    assert len(layers) == 40  # none is in none
    assert [bool(name) for _, _, name in layers] == [True] * pictures.NAMED + [False] * (40 - pictures.NAMED)
    assert layers[24][1] == layers[0][1]


def test_the_largest_are_named_whatever_their_numbers() -> None:
    sizes = np.arange(1, 31)  # the last are the largest, as clusters that split off late may be
    layers = cluster_layers(np.repeat(np.arange(30), sizes), 30)
    assert [name for _, _, name in layers if name] == [f"cluster {i} ({i + 1})" for i in range(30 - pictures.NAMED, 30)]


def test_of_very_many_environments_each_layer_gives_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "DRAWN", 100)
    drawn: list[int] = []
    axes = pictures.figure(1, 1)[1].__class__
    real = axes.scatter
    monkeypatch.setattr(axes, "scatter", lambda self, x, *a, **k: drawn.append(len(x)) or real(self, x, *a, **k))
    mask = np.arange(10_000) < 9_900
    html = map_image(np.random.default_rng(0).normal(size=(10_000, 2)), kept_layers(mask), "Map")
    assert drawn == [1, 99]
    assert {KEPT, PRUNED} <= colours(html)


def test_names_are_no_formulas() -> None:
    """Matplotlib raises for one that it cannot read."""
    mask = np.ones(5, dtype=bool)
    assert "&lt;b&gt;" in map_image(np.zeros((5, 2)), [(mask, KEPT, r"$\bad{")], "<b>")
