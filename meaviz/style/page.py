"""How the page and its charts look: Material theme, style sheet, and the hook that themes HoloViews' charts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    FixedTicker,
    GlyphRenderer,
    HoverTool,
    Line,
    NoOverlap,
    NumeralTickFormatter,
    Scatter,
)
from bokeh.plotting import figure

from meaviz.style.palette import DARK, LIGHT, Theme

BAR = "#12395B"  # of the page's head, light and dark
DENSE = {
    "fontSize": "12px",
    "padding": "3px 9px",
    "minWidth": "0",
    "lineHeight": "1.5",
}  # buttons above the views
ICON = {"padding": "4px", "fontSize": "18px", "& .MuiIcon-root, & .material-icons": {"fontSize": "18px"}}
# a tip beside a button lies over the next one, and would stay there when the pointer goes on to it
TIP_LETS_THROUGH = (
    ".MuiTooltip-popper, .MuiPopper-root, .contained { pointer-events: none !important } "
    "button { pointer-events: auto !important } button.Mui-disabled { pointer-events: none !important }"
)
SEGMENT = {"& .MuiToggleButton-root": {**DENSE, "whiteSpace": "nowrap"}}
# as high as the other fields; a long choice ends before the arrow
DENSE_CHOICE = {"& .MuiSelect-select": {"padding": "6px 32px 6px 12px !important"}}
DENSE_FIELD = {
    "& .MuiOutlinedInput-root": {"paddingTop": "0 !important", "paddingBottom": "0 !important"},
    "& .MuiInputBase-input": {"padding": "4px 12px !important"},
    "& .MuiInputLabel-root:not(.MuiInputLabel-shrink)": {"transform": "translate(14px, 4px) scale(1)"},
}
# fields of numbers: the toolkit's buttons within have no name for screen readers and leave little room; arrow keys step
NUMBER_ONLY = {
    "& .MuiInputAdornment-root": {"display": "none"},
    "& .MuiInputBase-input": {"paddingLeft": "14px !important", "paddingRight": "8px !important"},
}

HEAD_BUTTON = {"color": "#FFFFFF", "borderColor": "#FFFFFF80", "&:hover": {"borderColor": "#FFFFFF"}, **DENSE}

KEYS_CSS = """
:host { font-size: 14px; columns: 340px; column-gap: 24px; padding: 0 8px }
section { break-inside: avoid; margin: 0 0 14px }
h3 { font-size: 13px; font-weight: 600; margin: 0 0 6px; opacity: 0.75 }
dl { display: grid; grid-template-columns: 138px 1fr; gap: 4px 10px; margin: 0 }
dt { white-space: nowrap }
dd { margin: 0 }
kbd { font: inherit; font-size: 12px; padding: 1px 7px; border: 1px solid currentColor; border-radius: 4px }
"""

# Panel takes the sum of what the children want as the least size, which would push the rest out of the window;
# of a Paper, which is made in JavaScript, the element within has it too
SHRINKS = ":host, .paper { min-height: 0 !important; min-width: 0 !important }"
FILL: dict[str, Any] = {"sizing_mode": "stretch_both", "margin": 0, "stylesheets": [SHRINKS]}

# the map's pane over the page, and on it the 3D view where there is something in it; above the page's head and drawer
WHOLE_CSS = """
:host(.whole) { position: fixed !important; inset: 0; z-index: 1210; width: auto !important; height: auto !important }
:host(.floats), :host(.waits) {
  position: fixed !important; right: 10px; bottom: 10px; z-index: 1211;
  width: 364px !important; height: 42% !important }
:host(.waits) { visibility: hidden }
:host(.whole) .MuiPaper-root { border: none; border-radius: 0 }
"""
FLOATING_CSS = """
:host(.whole) > .map-plane { position: absolute !important; inset: 0; width: 100% !important; height: 100% !important }
:host(.whole) > .map-tools {
  position: absolute; left: 10px; top: 10px; z-index: 2; width: min(860px, 100% - 230px) !important; max-height: 60%;
  box-sizing: border-box; border-radius: 8px; border: 1px solid var(--mui-palette-divider, #d5dae0);
  background: color-mix(in srgb, var(--mui-palette-background-paper, #fff) 88%, transparent) }
"""

FACTS_CSS = """
:host(.empty) { opacity: 0.75; font-size: 14px }
dl.facts { display: grid; gap: 2px 10px; grid-template-columns: max-content minmax(0, 1fr) max-content minmax(0, 1fr) }
dl.facts .long { grid-column: 2 / -1 }
dl.facts { margin: 0; font-size: 13px; overflow-wrap: break-word }
dl.facts dt { opacity: 0.7 }
dl.facts dd { margin: 0; font-variant-numeric: tabular-nums }
ul.reasons { margin: 6px 0 0; padding-left: 18px; font-size: 13px }
.figures { display: flex; gap: 6px 16px; flex-wrap: wrap; padding: 6px 0 0 }
.figure { font-size: 14px; font-variant-numeric: tabular-nums }
.figure b { font-size: 20px; font-weight: 600 }
.figure span { display: block; font-size: 12px; opacity: 0.75 }
@media (max-height: 800px) {
  dl.facts { font-size: 12px; gap: 1px 6px }
  .figure { font-size: 13px }
  .figure b { font-size: 16px }
}
.empty { opacity: 0.75; font-size: 14px }
p { font-size: 13px; margin: 8px 0 0; max-width: 110ch }
table.costs { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: 4px 0 }
table.costs th, table.costs td { padding: 2px 14px 2px 0; text-align: right; white-space: nowrap }
table.costs th { font-weight: 600; vertical-align: bottom }
table.costs tr:first-child th { white-space: normal }
table.costs th:first-child { text-align: left }
table.costs small { opacity: 0.75 }
p.alignment { margin: 0 0 4px; font-weight: 600 }
table.compared { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; width: 100% }
table.compared th, table.compared td { padding: 1px 12px 1px 0; text-align: left; vertical-align: top }
table.compared th { font-weight: 400; opacity: 0.7; white-space: nowrap }
"""

LABELS_CSS = """
table.labels { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; width: 100% }
table.labels th, table.labels td { padding: 2px 12px 2px 0; text-align: left; vertical-align: top }
table.labels td { overflow-wrap: anywhere }
table.labels th { font-weight: 600 }
"""

RECIPE_CSS = """
:host { font-size: 14px }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 12.5px; line-height: 1.5 }
pre { margin: 0; padding: 10px 12px; border: 1px solid color-mix(in srgb, currentColor 20%, transparent);
  border-radius: 4px; overflow: auto; max-height: 60vh; white-space: pre }
"""

WHY_CSS = """
:host { font-size: 13px }
h4 { margin: 0 0 2px; font-size: 14px; font-weight: 600 }
p { margin: 2px 0 4px; font-size: 13px }
ul.said { list-style: none; margin: 2px 0 6px; padding-left: 0; font-size: 13px }
small { opacity: 0.75 }
.beside { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: flex-start }
table.why { border-collapse: collapse; font-size: 12px; font-variant-numeric: tabular-nums; margin: 2px 0 }
table.why th, table.why td { padding: 2px 8px 2px 0; text-align: right; font-weight: 400; white-space: nowrap }
table.why th:first-child { text-align: left }
table.why tr:first-child th { opacity: 0.75 }
.track { position: relative; width: 110px; height: 12px }
.track::after { content: ""; position: absolute; left: 50%; top: -2px; bottom: -2px }
.track::after { border-left: 1px solid; opacity: 0.5 }
.track i, .track b { position: absolute; top: 0; height: 12px; border-radius: 2px }
.track b { top: 3px; height: 6px }
"""

# as wide for every selection, so that no line breaks and the map stays where it is when something is selected
COUNT_CSS = """
.count { max-width: 100%; width: max-content; font-size: 14px; font-variant-numeric: tabular-nums }
.count::after { content: attr(data-widest); display: block; height: 0; overflow: hidden; visibility: hidden }
.count::after { font-weight: 700; white-space: nowrap }
"""

PROGRESS_CSS = """
.progress { height: 4px; border-radius: 2px; overflow: hidden; margin: 4px 0; background: rgba(128, 128, 128, 0.3) }
.progress div { height: 100%; background: #009E73 }
"""


def page_theme() -> dict[str, Any]:
    """Material UI's theme, light and dark, from our tokens."""
    return {"light": _palette(LIGHT), "dark": _palette(DARK)}


def _palette(tokens: Theme) -> dict[str, Any]:
    return {
        "palette": {
            "primary": {"main": tokens.accent},
            "error": {"main": tokens.bad},
            "background": {"default": tokens.surface, "paper": tokens.raised},
            "text": {"primary": tokens.text, "secondary": tokens.muted},
        },
        "typography": {"fontFamily": tokens.font, "button": {"textTransform": "none"}},
        "shape": {"borderRadius": 6},
        "components": {
            "MuiToolbar": {"styleOverrides": {"root": {"minHeight": "48px !important"}}},
            "MuiAppBar": {
                "styleOverrides": {
                    "root": {
                        "backgroundColor": BAR,
                        "backgroundImage": "none",
                        "& .MuiIconButton-root": {"color": "#FFFFFF"},
                        "& .MuiLinearProgress-root": {"display": "none"},  # the page's own: idle always, and nameless
                    }
                }
            },
            "MuiCardHeader": {"styleOverrides": {"action": {"& .MuiIconButton-root": {"color": tokens.muted}}}},
            "MuiInputLabel": {  # of an empty choice: the toolkit puts it where it would be in a higher field
                "styleOverrides": {
                    "root": {
                        "&:not(.MuiInputLabel-shrink):has(+ .MuiSelect-root)": {
                            "transform": "translate(14px, 6px) scale(1) !important"
                        }
                    }
                }
            },
            "MuiTab": {"styleOverrides": {"root": {"minHeight": "40px", "minWidth": "0", "padding": "8px 10px"}}},
            "MuiTabs": {"styleOverrides": {"root": {"minHeight": "40px"}}},
        },
    }


def table_look(dark: bool) -> dict[str, Any]:
    """Layout of a Tabulator in the page's colours: Panel's own style sheets know those of another theme.

    The style sheet is the same for both, so that a change of theme exchanges none: Panel would lose others on the way.
    """
    css = _table_css(LIGHT, ":host(:not(.dark))") + _table_css(DARK, ":host(.dark)")
    return {"stylesheets": [css], "css_classes": ["dark"] if dark else []}


def _table_css(tokens: Theme, host: str) -> str:
    whole = f"{host} .pnx-tabulator.tabulator"
    row = f"{whole} .tabulator-tableholder .tabulator-table .tabulator-row"
    head = f"{whole} .tabulator-header"
    plain = f"background-color: {tokens.raised}; color: {tokens.text}; border-color: {tokens.border}"

    def tinted(colour: str, per_cent: int) -> str:
        mixed = f"color-mix(in srgb, {colour} {per_cent}%, {tokens.raised})"
        return f"background-color: {mixed}; color: {tokens.text}"

    return f"""
{host} .tabulator {{ font-size: 13px }}
{whole}, {whole} .tabulator-tableholder, {whole} .tabulator-tableholder .tabulator-table, {row} {{ {plain} }}
{head}, {head} .tabulator-header-contents, {head} .tabulator-headers, {head} .tabulator-col {{ {plain} }}
{row} .tabulator-cell {{ border-color: {tokens.border} }}
{row}.tabulator-row-even {{ {tinted(tokens.text, 5)} }}
{row}.tabulator-selectable:hover {{ {tinted(tokens.accent, 12)} }}
{row}.tabulator-selected, {row}.tabulator-selected:hover {{ {tinted(tokens.accent, 24)} }}
"""


def loss_figure(points: ColumnDataSource) -> figure:
    """The losses against epochs, on a logarithmic axis; ``points`` has the columns epoch, loss and validation."""
    plot = figure(
        height=150,
        sizing_mode="stretch_width",
        y_axis_type="log",
        x_axis_label="epoch",
        y_axis_label="loss",
        toolbar_location=None,
        tools=[
            HoverTool(
                tooltips=[("epoch", "@epoch"), ("training", "@loss{0.0000}"), ("held out", "@validation{0.0000}")]
            )
        ],
    )
    plot.xaxis.ticker = BasicTicker(min_interval=1, desired_num_ticks=5)
    for column, label, dash in (("loss", "training", "dashed"), ("validation", "held out", "solid")):
        series = {"source": points, "name": column, "legend_label": label}
        plot.line("epoch", column, line_width=2, line_dash=dash, **series)
        plot.scatter("epoch", column, size=6, **series)
    tick_decades(plot)
    plot.legend.update(location="top_right", padding=2, spacing=0, glyph_height=12, glyph_width=18, border_line_alpha=0)
    return plot


def tick_decades(plot: figure) -> None:
    """Mark 1, 2 and 5 of every decade on a logarithmic y axis, as many as there is room for.

    Bokeh's own ticker counts in equal steps where the axis spans less than two decades, and its labels then overlap.
    """
    plot.yaxis.ticker = FixedTicker(ticks=[step * 10.0**decade for decade in range(-9, 8) for step in (1, 2, 5)])
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[000000000]")
    plot.yaxis.major_label_policy = NoOverlap(min_distance=4)


def style_chart(plot: figure, tokens: Theme) -> None:
    """Give a chart the colours and the font of the page."""
    plot.background_fill_color = plot.border_fill_color = tokens.raised
    plot.outline_line_color = None
    plot.title.update(text_color=tokens.text, text_font=tokens.font, text_font_size="13px", text_font_style="normal")
    for axis in plot.axis:
        axis.update(
            axis_line_color=tokens.border,
            major_tick_line_color=tokens.border,
            minor_tick_line_color=None,
            axis_label_text_color=tokens.muted,
            axis_label_text_font=tokens.font,
            axis_label_text_font_size="12px",
            axis_label_text_font_style="normal",
            major_label_text_color=tokens.text,
            major_label_text_font=tokens.font,
            major_label_text_font_size="11px",
        )
    plot.grid.grid_line_color = tokens.border
    plot.grid.grid_line_alpha = 0.5


def style_legend(plot: figure, tokens: Theme, *, alpha: float = 0.0) -> None:
    """Give a chart's legend the colours and the font of the page, on a ground of opacity ``alpha``."""
    plot.legend.update(
        background_fill_alpha=alpha,
        background_fill_color=tokens.raised,
        label_text_color=tokens.text,
        label_text_font=tokens.font,
        label_text_font_size="11px",
    )


def style_curve(plot: figure, tokens: Theme) -> None:
    """Style the chart of :func:`loss_figure`: what is held out has the accent."""
    style_chart(plot, tokens)
    style_legend(plot, tokens)
    for renderer in plot.renderers:
        if isinstance(renderer, GlyphRenderer) and isinstance(renderer.glyph, (Line, Scatter)):
            colour = tokens.accent if renderer.name == "validation" else tokens.muted
            renderer.glyph.line_color = colour
            if isinstance(renderer.glyph, Scatter):
                renderer.glyph.fill_color = colour


def chart_hook(tokens: Theme) -> Callable[[Any, Any], None]:
    """A HoloViews hook that applies :func:`style_chart`; the colours of the glyphs stay HoloViews'."""

    def apply(plot: Any, element: Any) -> None:
        style_chart(plot.state, tokens)

    return apply
