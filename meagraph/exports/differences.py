"""Where two frames of extended XYZ differ, in the words of the format."""

from __future__ import annotations

from collections.abc import Iterator

from meagraph.datasets.comment import CommentError, entries

DEFAULT_COLUMNS = "species:S:1:pos:R:3"
SHOWN = 60  # characters of what stands there


def frame_difference(written: bytes, original: bytes) -> str:
    """The first field in which a ``written`` frame differs from the ``original`` one, and what stands in both.

    Fields are the number of atoms, an entry of the second line, and a column of an atom's line. What differs in spaces
    or line breaks alone is named as that.
    """
    ours, theirs = (frame.decode("utf-8", "backslashreplace").split("\n") for frame in (written, original))
    if ours[0].split() != theirs[0].split():
        return _words("the number of atoms", theirs[0], ours[0])
    if found := _in_entries(ours[1] if len(ours) > 1 else "", theirs[1] if len(theirs) > 1 else ""):
        return found
    names = list(_columns(theirs[1] if len(theirs) > 1 else ""))
    for line in range(2, max(len(ours), len(theirs))):
        mine, other = (lines[line].split() if line < len(lines) else [] for lines in (ours, theirs))
        for place in range(max(len(mine), len(other))):
            came, expected = (cells[place] if place < len(cells) else "nothing" for cells in (mine, other))
            if came != expected:
                name = names[place] if place < len(names) else f"column {place}"
                return _words(f"atom {line - 2}, {name}", expected, came)
    return "spaces or line breaks"


def _in_entries(ours: str, theirs: str) -> str:
    if ours == theirs:
        return ""
    try:
        mine, other = entries(ours), entries(theirs)
    except CommentError:
        return _words("the second line", theirs, ours)
    for name in (*other, *mine):
        if mine.get(name, "nothing") != other.get(name, "nothing"):
            return _words(f"the entry {name}", other.get(name, "nothing"), mine.get(name, "nothing"))
    return ""


def _columns(comment: str) -> Iterator[str]:
    """The name of each column of an atom's line."""
    try:
        found = entries(comment).get("Properties") or DEFAULT_COLUMNS
    except CommentError:
        found = DEFAULT_COLUMNS
    parts = found.split(":")
    for name, width in zip(parts[::3], parts[2::3], strict=False):
        count = int(width) if width.isdecimal() else 1
        yield from (name if count == 1 else f"{name}[{place}]" for place in range(min(count, 10_000)))


def _words(field: str, expected: str | None, came: str | None) -> str:
    shown = [f"{str(text)[:SHOWN]!r}{'...' if len(str(text)) > SHOWN else ''}" for text in (expected, came)]
    return f"{field}: expected {shown[0]}, but came {shown[1]}"
