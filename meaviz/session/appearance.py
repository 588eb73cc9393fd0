"""How results are shown: colours, sizes, axes, light or dark."""

from __future__ import annotations

import param

from meagraph.inspection.properties import Properties

DENSITY = "density"  # a colouring that is no property
CLUSTER, ELEMENT, PLACES = "cluster", "element", ("umap_1", "umap_2")


class Appearance(param.Parameterized):
    """What the map and the 3D view look like."""

    colour_by: str = param.String(default=CLUSTER, doc="A property, or DENSITY.")
    size_by: str = param.String(default="", doc="A property of numbers, empty for equal sizes.")
    axes: tuple[str, str] = param.Tuple(default=PLACES, doc="Properties along x and y of the map.")
    atoms_by: str = param.String(default=ELEMENT, doc="What colours the atoms in 3D.")
    show_pruned: bool = param.Boolean(default=False, doc="Draw what the plan prunes faintly on the map.")
    dark: bool = param.Boolean(default=False)

    def fit(self, properties: Properties) -> None:
        """Stay as it is, or as at first where that is none of these ``properties``."""
        self.param.update(
            colour_by=self.colour_by if self.colour_by in (*properties, DENSITY) else CLUSTER,
            size_by=self.size_by if self.size_by in properties else "",
            axes=self.axes if all(name in properties for name in self.axes) else PLACES,
        )
