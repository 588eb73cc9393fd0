"""One environment in 3D, or its whole structure, or two environments compared; with their facts."""

from __future__ import annotations

from typing import Any

import panel as pn
from markupsafe import Markup
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.inspection.alignment import Alignment, align_environments
from meaviz.components.viewer.scene import Environment, allowed_repeats, arrow_scale, known_vectors
from meaviz.components.viewer.structure_viewer import StructureViewer
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.appearance import ELEMENT
from meaviz.style.page import FACTS_CSS, FILL
from meaviz.style.text import TextPane, join, markup
from meaviz.views.shared.atom_colours import AtomColours
from meaviz.views.structure.tools import Shown, tool_row

LONG = 22  # letters of a fact from which it has a line for itself, at the top


class StructureView(pn.viewable.Viewer):
    """The environment chosen on the map: its atom and neighbours stand out, the rest of the structure is dimmed."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self.shown = Shown()
        self.viewer = StructureViewer(awake=False, page_keys=True, sizing_mode="stretch_both", min_height=150, margin=0)
        self._colours = AtomColours(session)
        self._facts = TextPane("", sizing_mode="stretch_width", margin=(6, 10, 6, 10), stylesheets=[FACTS_CSS])
        tools, settings = tool_row(session, self.viewer, self.shown)
        stage = pn.Column(settings, self.viewer, styles={"position": "relative", "flex": "1 0 150px"}, **FILL)
        # what is known may be long: it scrolls, and the picture above stays in sight
        facts = pn.Column(
            self._facts, sizing_mode="stretch_width", margin=0, scroll="y-auto", styles={"flex": "0 1 auto"}
        )
        self._layout = pn.Column(tools, stage, facts, **FILL)
        self._view: tuple[object, ...] = ()  # what the camera was placed for
        self._aligned: tuple[tuple[int, int], Alignment] | None = None
        session.selection.param.watch(self._show, ["inspected", "pinned"])
        session.data.param.watch(self._show, "dataset")
        session.appearance.param.watch(self._recolour, "atoms_by")
        session.selection.param.watch(self._recolour, "mask")
        session.judging.param.watch(self._recolour, "flags")
        session.data.param.watch(self._recolour, ["properties", "sight"])
        session.planning.param.watch(self._recolour, "plan")
        session.data.param.watch(self._scale_arrows, "dataset")
        session.data.param.watch(lambda event: setattr(self.viewer, "awake", True), "survey")
        session.appearance.param.watch(lambda event: setattr(self.viewer, "dark", event.new), "dark")
        self.shown.param.watch(self._show, ["mode", "overlaid", "repeats"])
        session.selection.param.watch(lambda event: setattr(self.shown, "mode", event.new), "asked", onlychanged=False)
        self.viewer.param.watch(self._choose, "clicked", onlychanged=False)
        self.viewer.param.watch(lambda event: session.selection.step_through(event.new), "stepped", onlychanged=False)

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    @property
    def comparing(self) -> bool:
        """Two environments are shown."""
        selection = self.session.selection
        return self.shown.mode == "environment" and 0 <= selection.pinned != selection.inspected >= 0

    @property
    def _cutoff(self) -> float:
        """Å that an environment reaches: of the descriptors, or else of those that come next."""
        data = self.session.data
        return data.next_config.descriptors.r_cut if data.descriptors is None else data.descriptors.cutoff

    def _show(self, *events: object) -> None:
        row = self.session.selection.inspected
        if row < 0 or self.session.data.dataset is None:
            self.viewer.clear()
            self._view = ()
        else:
            try:
                self._compare() if self.comparing else self._draw(row)
            except MEAGraphError as error:
                self.session.activity.problem = ("map", str(error))
                return
        self._show_facts()

    def _draw(self, row: int) -> None:
        data = self.session.data.dataset
        assert data is not None
        structure = int(data.structure_of[row])
        atoms = data.structures[structure]
        colors, legend = self._colours.of(structure)
        whole = self.shown.mode == "structure"
        view = (structure, self.shown.mode, allowed_repeats(atoms, self.shown.repeats) if whole else ())
        self.viewer.legend = legend
        self.viewer.show(
            atoms,
            colors=colors,
            vectors=known_vectors(data.forces[data.rows_of(structure)]),
            focus=int(data.atom_of[row]),
            cutoff=self._cutoff,
            whole=whole,
            repeats=self.shown.repeats,
            fit=view != self._view,
        )
        self._view = view

    def _compare(self) -> None:
        selection, data = self.session.selection, self.session.data.dataset
        assert data is not None
        rows = (selection.pinned, selection.inspected)
        turns = (None, self._alignment().rotation)
        environments = [self._environment(row, turn) for row, turn in zip(rows, turns, strict=True)]
        view = ("comparison", selection.pinned, self.shown.overlaid)
        self.viewer.legend = self._colours.of(*(int(data.structure_of[row]) for row in rows))[1]
        self.viewer.compare(*environments, overlaid=self.shown.overlaid, fit=view != self._view)
        self._view = view

    def _environment(self, row: int, rotation: NDArray[Any] | None) -> Environment:
        data = self.session.data.dataset
        assert data is not None
        structure = int(data.structure_of[row])
        return Environment(
            data.structures[structure],
            int(data.atom_of[row]),
            self._cutoff,
            self._colours.of(structure)[0],
            known_vectors(data.forces[data.rows_of(structure)]),
            rotation,
        )

    def _alignment(self) -> Alignment:
        """Of the inspected environment on the pinned one."""
        data, key = self.session.data.dataset, (self.session.selection.pinned, self.session.selection.inspected)
        assert data is not None
        if self._aligned is None or self._aligned[0] != key:
            first, second = ((data.structures[data.structure_of[row]], int(data.atom_of[row])) for row in key)
            self._aligned = key, align_environments(first, second, self._cutoff)
        return self._aligned[1]

    def _scale_arrows(self, *events: object) -> None:
        """A length for the dataset's usual forces, so that arrows of different structures compare."""
        self._aligned = None
        if self.session.data.dataset is not None:
            self.viewer.arrow_scale = arrow_scale(self.session.data.dataset.forces)

    def _recolour(self, *events: Any) -> None:
        self._colours.forget()
        changed = {event.name for event in events}
        if changed & {"flags", "sight"} or self.comparing:
            self._show_facts()
        by_property = self.session.appearance.atoms_by != ELEMENT
        if self.session.selection.inspected >= 0 and (by_property or "atoms_by" in changed):
            self._show()

    def _show_facts(self) -> None:
        row, sight = self.session.selection.inspected, self.session.data.sight
        if row < 0 or self.session.data.dataset is None:
            self._facts.object = ""
        elif self.comparing:
            self._facts.object = self._compared_facts()
        else:
            known = sorted(self.session.describe(row).items(), key=lambda fact: -(len(fact[1]) > LONG))
            facts = join(
                markup('<dt>{}</dt><dd class="{}">{}</dd>', name, "long" if len(value) > LONG else "", value)
                for name, value in known
            )
            outliers = None if sight is None else sight.outliers
            reasons = [] if outliers is None else outliers.reasons(row)
            why = join(markup("<li>{}</li>", reason) for reason in reasons)
            self._facts.object = markup('<dl class="facts">{}</dl>', facts) + (
                markup('<ul class="reasons" tabindex="0">{}</ul>', why) if why else ""
            )

    def _compared_facts(self) -> Markup:
        selection = self.session.selection
        pinned, shown = (self.session.describe(row) for row in (selection.pinned, selection.inspected))
        rows = join(
            markup("<tr><th>{}</th><td>{}</td><td>{}</td></tr>", name, value, shown.get(name, "–"))
            for name, value in pinned.items()
        )
        return markup(
            '<p class="alignment">{}</p><table class="compared" tabindex="0">'
            "<tr><th></th><th>pinned</th><th>this</th></tr>{}</table>",
            alignment_text(self._alignment()),
            rows,
        )

    def _choose(self, event: object) -> None:
        selection, atom, data = self.session.selection, self.viewer.clicked, self.session.data.dataset
        if data is None or selection.inspected < 0:
            return
        first = self.comparing and self.viewer.clicked_part == 0
        structure = int(data.structure_of[selection.pinned if first else selection.inspected])
        row, mode = int(data.offsets[structure]) + atom, self.viewer.clicked_mode
        if atom >= 0 and mode != "replace":
            selection.select_rows([row], mode)
        elif atom >= 0:
            selection.inspected = row
        elif not self.comparing:  # beside the atoms: the whole structure, none dimmed
            self.shown.mode = "structure"


def alignment_text(found: Alignment) -> str:
    """How alike two environments are, in a sentence."""
    if not len(found.pairs):
        return "No neighbours of the same element lie on each other."
    left = sum(found.unmatched)
    text = f"RMSD {found.rmsd:.3f} Å over {len(found.pairs)} neighbours"
    text += f", {left} without partner ({found.unmatched[0]} pinned, {found.unmatched[1]} this)." if left else "."
    if found.mirrored < found.rmsd - 0.02 and sum(found.mirrored_unmatched) <= left:
        text += f" As mirror images: {found.mirrored:.3f} Å."
    return text
