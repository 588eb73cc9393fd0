"""Pictures of environments as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
from ase.build import bulk

from meagraph.inspection.thumbnails import thumbnail_svg


def test_a_thumbnail_draws_each_atom_of_the_environment_once() -> None:
    atoms = bulk("NaCl", "rocksalt", 5.64, cubic=True)
    root = ET.fromstring(thumbnail_svg(atoms, 0, 3.0, size=80))
    circles = [child for child in root if child.tag.endswith("circle")]
    assert len(circles) == 7 + 1  # six neighbours, the centre, and its ring
    assert circles[-1].tag
    lines = [child for child in root if child.tag.endswith("line")]
    assert len(lines) == 6
    middle = [child for child in circles if child.get("cx") == "40.0" and child.get("cy") == "40.0"]
    assert len(middle) == 2
    assert all(0 <= float(child.get("cx")) <= 80 for child in circles)
    front = thumbnail_svg(atoms, 0, 3.0, np.full(8, 0xFF0000), 80)
    assert "#ff" in front
