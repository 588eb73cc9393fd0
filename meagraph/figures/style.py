"""How figures for papers look, and how they become files."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from meagraph.display.cards import printable
from meagraph.display.pictures import LINE, TEXT
from meagraph.errors import MEAGraphError

WIDTHS = {"single": 3.4, "double": 7.0}  # inches, of one and of two columns of most journals
NARROWEST, WIDEST = 2.0, 20.0  # inches
SUFFIXES = (".svg", ".pdf", ".png")
MARK = "meagraph plot"  # in the metadata, by which a figure of ours is known again
DPI = 600  # of PNG, and of points that are an image within SVG and PDF
SINGLY = 5_000  # points up to which each is drawn as itself in SVG and PDF
NAMED = 12  # entries of a legend at most
LONGEST = 34  # characters of a name
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "DejaVu Sans"],
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.handletextpad": 0.5,
    "legend.borderaxespad": 0.3,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": LINE,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": True,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "meagraph",
    "pdf.fonttype": 42,  # TrueType, which journals ask for, and which can be edited
    "ps.fonttype": 42,
    "figure.constrained_layout.use": True,
    "path.simplify": False,
}


def inches(width: str | float) -> float:
    """The width of a figure: that of a column by its name in WIDTHS, or a number. Raises MEAGraphError."""
    if width in WIDTHS:
        return WIDTHS[str(width)]
    try:
        found = float(width)
    except ValueError:
        found = -1.0
    if not NARROWEST <= found <= WIDEST:
        raise MEAGraphError(
            f"Expected a width of {' or '.join(map(repr, WIDTHS))}, or of {NARROWEST:g} to {WIDEST:g} inches, "
            f"got {width}."
        )
    return found


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings of a figure, while it is made and while it is written."""
    import matplotlib  # here, for it takes half a second

    with matplotlib.rc_context(_STYLE):
        yield


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, list[Any]]:
    """A figure of so many inches and its axes, row by row."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    return made, list(made.subplots(rows, columns, squeeze=False).ravel())


def file_of(figure: Any, suffix: str) -> bytes:
    """A figure as a file, without a date: the same figure gives the same bytes. Raises MEAGraphError for a suffix."""
    if suffix not in SUFFIXES:
        raise MEAGraphError(f"Expected a figure as {', '.join(SUFFIXES)}, got {suffix!r}. Name the file so.")
    metadata: dict[str, dict[str, str | None]] = {
        ".svg": {"Date": None, "Creator": MARK},
        ".pdf": {"CreationDate": None, "Creator": MARK},
        ".png": {"Software": MARK},
    }
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format=suffix[1:], dpi=DPI, metadata=metadata[suffix])
    return stream.getvalue()


def suffix_of(path: str | Path) -> str:
    """The suffix of a figure's file. Raises MEAGraphError for any but SUFFIXES."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise MEAGraphError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}. Name the file so.")
    return suffix


def named(names: Sequence[str]) -> list[str]:
    """Names as they are drawn: readable, and not too long."""
    return [printable(name, LONGEST) for name in names]


def legend_of(figure: Any, colours: Sequence[str], names: Sequence[str], *, title: str, more: int = 0) -> None:
    """What colours mean, beside what is drawn where there is room, below it in one column; ``more`` are not named."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], marker="o", linestyle="", color=colour, markersize=4.5) for colour in colours]
    words = named(names)
    if more:
        handles.append(Line2D([], [], linestyle=""))
        words.append(f"and {more:,} more")
    beside = figure.get_figwidth() > 5.0
    longest = max(map(len, words), default=0)
    columns = 1 if beside else max(1, min(3, int(figure.get_figwidth() * 18 / (longest + 6))))
    place = "outside right upper" if beside else "outside lower left"
    box = figure.legend(
        handles, [" "] * len(words), loc=place, ncols=columns, title=title, alignment="left", title_fontsize=7.0,
        columnspacing=1.0, labelspacing=0.35,
    )  # fmt: skip
    for label, text in zip(box.get_texts(), words, strict=True):  # set later: a name such as _x would not be shown
        label.set(parse_math=False, text=text)
    box.get_title().set_parse_math(False)
