"""How results are shown: colours, sizes, axes, light or dark."""

from __future__ import annotations

from collections.abc import Mapping

import param

from meagraph.inspection.properties import Properties

DENSITY = "density"  # a colouring that is no property
CLUSTER, GROUP, ELEMENT = "cluster", "group", "element"
PLACES, QUICK = ("umap_1", "umap_2"), ("pca_1", "pca_2")  # axes of the learned map, and of the quick one


class Appearance(param.Parameterized):
    """What the map and the 3D view look like."""

    colour_by: str = param.String(default=CLUSTER, doc="A property, or DENSITY.")
    size_by: str = param.String(default="", doc="A property of numbers, empty for equal sizes.")
    axes: tuple[str, str] = param.Tuple(default=PLACES, doc="Properties along x and y of the map.")
    atoms_by: str = param.String(default=ELEMENT, doc="What colours the atoms in 3D.")
    show_pruned: bool = param.Boolean(default=False, doc="Draw what the plan prunes faintly on the map.")
    labels: bool = param.Boolean(default=True, doc="Name the clusters on the map.")
    views: Mapping[str, object] = param.Dict(
        default={}, doc="What single views show, by name, where it is not the usual."
    )
    whole: bool = param.Boolean(default=False, doc="The map takes the whole window.")
    dark: bool = param.Boolean(default=False)

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self._waiting: dict[str, object] = {}  # what stands in for the usual until that is there

    def fit(self, properties: Properties) -> None:
        """Stay as it is, or as at first where that is none of these ``properties``, or as near to it as there is.

        What stands in for what is not there yet, and was not changed, gives way once it is.
        """
        for name, value in self._waiting.items():
            if getattr(self, name) == value:
                self.param.update(**{name: {"colour_by": CLUSTER, "axes": PLACES}[name]})
        self._waiting = {}
        colour_by = self.colour_by if self.colour_by in (*properties, DENSITY) else CLUSTER
        if colour_by == CLUSTER and CLUSTER not in properties:
            self._waiting["colour_by"] = colour_by = GROUP
        axes = self.axes if all(name in properties for name in self.axes) else PLACES
        if not all(name in properties for name in axes):
            self._waiting["axes"] = axes = QUICK
        self.param.update(
            colour_by=colour_by,
            size_by=self.size_by if self.size_by in properties else "",
            axes=axes,
        )
