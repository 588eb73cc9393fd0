"""The recipe of what is shown: to read, to copy, to download."""

from __future__ import annotations

from io import StringIO

import panel as pn
import panel_material_ui as pmui

from meagraph.errors import MEAGraphError
from meagraph.exports.target import RECIPE
from meaviz.components.copy_button import CopyButton
from meaviz.session import Session
from meaviz.session.recipe import recipe_of
from meaviz.style.page import RECIPE_CSS
from meaviz.style.text import TextPane, markup
from meaviz.views.shared.buttons import small_button

ABOUT = (
    "Everything that the export hangs on, as it is now; what is not written is as usual. The export has it beside its "
    "files. It is done again, without the app, by"
)
COMMAND = f"meagraph replay {RECIPE} --out DIR"


class RecipeDialog(pn.viewable.Viewer):
    """A dialog with the recipe of the session; while it is open it follows what is done."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.button = small_button("Recipe", self.start, margin=(10, 12))
        self.copy = CopyButton(dark=session.appearance.dark, margin=0)
        self.text = TextPane("", margin=(8, 0, 0, 0), sizing_mode="stretch_width", stylesheets=[RECIPE_CSS])
        self._download = pmui.FileDownload(
            callback=lambda: StringIO(self.copy.text),
            filename=RECIPE,
            label="Download",
            variant="outlined",
            size="small",
            margin=(0, 8),
        )
        self._content = (
            TextPane(markup("{} <code>{}</code>", ABOUT, COMMAND), margin=(0, 0, 8, 0), stylesheets=[RECIPE_CSS]),
            pn.Row(self.copy, self._download, margin=0),
            self.text,
        )
        self.dialog = pmui.Dialog(title="Recipe", show_close_button=True, close_on_click=True, width_option="md")
        session.planning.param.watch(
            self._follow, ["plan", "figures", "cost", "curves", "quests", "parts_written", "keep_ordinary", "rankings"]
        )
        session.planning.param.watch(self._follow, "leave_out_flagged")
        session.judging.param.watch(self._follow, "judgements")
        session.data.param.watch(self._follow, ["survey", "opened"])
        session.appearance.param.watch(lambda event: setattr(self.copy, "dark", event.new), "dark")

    def __panel__(self) -> pmui.Dialog:
        """Return the dialog for Panel to lay out."""
        return self.dialog

    def start(self) -> None:
        """Open the dialog."""
        if not self.dialog.objects:  # not sent before it is wanted
            self.dialog.objects = list(self._content)
        self.dialog.open = True
        self._follow()

    def _follow(self, *events: object) -> None:
        if not self.dialog.open:
            return
        try:
            found, said = recipe_of(self.session).to_yaml(), ""
        except MEAGraphError as error:
            found, said = "", str(error)
        self.copy.text = found
        self._download.disabled = not found
        self.text.object = markup('<pre tabindex="0">{}</pre>', found or said)
