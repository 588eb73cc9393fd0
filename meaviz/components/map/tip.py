"""What the map says of the point under the resting pointer."""

from __future__ import annotations

from bokeh.models.annotations import Label

from meaviz.components.map.layers import View
from meaviz.style.palette import Theme
from meaviz.style.text import plain

AWAY = 12  # pixels from the point


def make_tip() -> Label:
    """A tip that is not in sight yet."""
    tip = Label(x=0, y=0, visible=False, level="overlay", text_font_size="12px")
    tip.update(padding=7, border_radius=4)
    return tip


def style_tip(tip: Label, theme: Theme) -> None:
    """Give the tip the colours and the font of ``theme``."""
    tip.update(
        text_font=theme.font,
        text_color=theme.text,
        background_fill_color=theme.raised,
        border_line_color=theme.border,
    )


def show_tip(tip: Label, text: str, x: float, y: float, view: View) -> None:
    """Show ``text`` beside the point (x, y), in data units, on the side that has room."""
    left, low = x < sum(view.x) / 2, y < sum(view.y) / 2
    tip.update(
        x=x,
        y=y,
        text=plain(text),
        x_offset=AWAY if left else -AWAY,
        y_offset=AWAY if low else -AWAY,
        anchor=f"{'bottom' if low else 'top'}_{'left' if left else 'right'}",
        visible=True,
    )
