"""The map as a figure for a talk or a paper: PNG or SVG, with axes and legend."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meaviz.components.map.density import density_picture
from meaviz.components.map.labels import HALO, Placed, letter_height
from meaviz.components.map.layers import OPACITY, SCATTER_MAX, SIZES, View, picture, point_size, shade
from meaviz.components.map.legend import bar_ticks, listed_entries, shorten
from meaviz.style.palette import Colouring, Theme

FORMATS = ("png", "svg")
WIDTH = 6.3  # inches of the points' area; the legend lies beside it
DPI = 300
SCREEN = 96.0  # pixels an inch, by which the sizes of points are known


@dataclass(frozen=True, eq=False)
class MapPicture:
    """What the map shows."""

    xy: NDArray[np.float32]  # (N, 2), NaN for points without a place
    shown: NDArray[np.bool_] | None  # (N,) points that are drawn, None for all
    colouring: Colouring | None  # None colours the plane by density
    level: NDArray[np.uint8]  # (N,), see map_layers.levels
    sizes: NDArray[np.uint8] | None  # (N,) size classes
    view: View
    labels: tuple[str, str]
    ticks: bool
    names: Sequence[Placed] = ()  # on the map


def draw(shown: MapPicture, format: Literal["png", "svg"], theme: Theme) -> bytes:
    """The picture as a file. More points than a browser would draw one by one are an image inside the SVG."""
    import matplotlib  # here, for it takes half a second
    from matplotlib.figure import Figure

    view = shown.view
    height = WIDTH * view.height / view.width
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "map", "font.family": "sans-serif"}):
        figure = Figure(figsize=(WIDTH + 1.9, height + 0.6), dpi=DPI, facecolor=theme.surface)
        axes = figure.add_axes(
            (0.6 / (WIDTH + 1.9), 0.45 / (height + 0.5), (WIDTH - 0.6) / (WIDTH + 1.9), 0.96 - 0.3 / height)
        )
        axes.set_facecolor(theme.surface)
        axes.set_xlim(*view.x)
        axes.set_ylim(*view.y)
        colouring = _points(axes, shown, theme)
        _names(axes, shown, theme)
        _style(axes, shown, theme)
        _legend(figure, axes, colouring, theme)
        stream = io.BytesIO()
        figure.savefig(
            stream, format=format, facecolor=theme.surface, metadata={"Date": None} if format == "svg" else {}
        )
    return stream.getvalue()


def _points(axes: Any, shown: MapPicture, theme: Theme) -> Colouring:
    """The points or their density, and what the colours mean."""
    view = shown.view
    xy = shown.xy if shown.shown is None else np.where(shown.shown[:, None], shown.xy, np.float32(np.nan))
    x, y = xy.T
    inside = (x >= view.x[0]) & (x <= view.x[1]) & (y >= view.y[0]) & (y <= view.y[1])
    fine = View(view.x, view.y, 2 * view.width, 2 * view.height)
    frame: dict[str, Any] = {"origin": "lower", "extent": (*view.x, *view.y), "aspect": "auto"}
    if shown.colouring is None:
        image, colouring = density_picture(xy, shown.level, view, theme, 2)
        axes.imshow(image.view(np.uint8).reshape(*image.shape, 4), interpolation="none", **frame)
        return colouring
    if len(xy) > SCATTER_MAX:
        drawn = picture(xy, shown.colouring.rgba, shown.level, shown.sizes, fine, theme)
        axes.imshow(drawn, interpolation="none", **frame)
        return shown.colouring
    rows = np.random.default_rng(0).permutation(np.flatnonzero(inside))
    rows = rows[np.argsort(shown.level[rows], kind="stable")]
    level = shown.level[rows]
    colours = shade(shown.colouring.rgba[rows], level, theme, np.asarray(OPACITY)[level])
    factors = np.ones(len(rows)) if shown.sizes is None else np.asarray(SIZES)[shown.sizes[rows]]
    points = point_size(len(rows), view.side) * factors * 72.0 / SCREEN * WIDTH * SCREEN / view.width
    axes.scatter(x[rows], y[rows], s=points**2, c=colours.view(np.uint8).reshape(-1, 4) / 255.0, linewidths=0)
    return shown.colouring


def _names(axes: Any, shown: MapPicture, theme: Theme) -> None:
    """The halo is an outline; the name above it stays text in an SVG."""
    from matplotlib.patheffects import Stroke

    point = 72.0 * WIDTH / shown.view.width  # of a pixel
    halo = Stroke(linewidth=HALO * point, foreground=theme.surface)
    size = letter_height(shown.view) * point
    for one in shown.names:
        for effects in ([halo], []):
            axes.text(
                one.x, one.y, one.text, ha="center", va="center", color=theme.text, weight="bold", parse_math=False,
                fontsize=size, path_effects=effects, clip_on=True,
            )  # fmt: skip


def _style(axes: Any, shown: MapPicture, theme: Theme) -> None:
    axes.set_xlabel(shown.labels[0], color=theme.text)
    axes.set_ylabel(shown.labels[1], color=theme.text)
    if not shown.ticks:
        axes.set_xticks([])
        axes.set_yticks([])
    axes.tick_params(colors=theme.muted, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(theme.border)


def _legend(figure: Any, axes: Any, colouring: Colouring, theme: Theme) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, LogNorm, Normalize
    from matplotlib.lines import Line2D

    if colouring.kind == "categorical":
        entries, rest = listed_entries(colouring.entries)
        handles = [Line2D([], [], marker="o", linestyle="", color=entry.colour) for entry in entries]
        words = [f"{shorten(entry.name)}  {entry.size:,}" for entry in entries]
        if rest:
            handles.append(Line2D([], [], linestyle=""))
            words.append(f"and {len(rest):,} more")
        box = axes.legend(
            handles=handles, labels=[" "] * len(words), title=colouring.label, loc="upper left",
            bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8, title_fontsize=9, labelcolor=theme.text,
            alignment="left", handletextpad=0.2,
        )  # fmt: skip
        for label, text in zip(
            box.get_texts(), words, strict=True
        ):  # as they are: $x$ and _x have meanings for legends
            label.set(parse_math=False, text=text)
        box.get_title().set_color(theme.text)
        return
    if not np.isfinite([colouring.low, colouring.high]).all():
        return
    norm = (LogNorm if colouring.log else Normalize)(colouring.low, colouring.high)
    place = axes.get_position()
    beside = figure.add_axes((place.x1 + 0.02, place.y0 + 0.15 * place.height, 0.02, 0.7 * place.height))
    bar = figure.colorbar(ScalarMappable(norm, ListedColormap(list(colouring.palette))), cax=beside)
    ticks = bar_ticks(colouring.low, colouring.high, colouring.log)
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.minorticks_off()
    bar.outline.set_edgecolor(theme.border)
    beside.tick_params(colors=theme.text, labelsize=8)
    bar.set_label(f"{colouring.label} / {colouring.unit}" if colouring.unit else colouring.label, color=theme.text)
