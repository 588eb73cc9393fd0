"""The 3D view of one structure and of one atom's environment in it, drawn by NGL in the browser.

NGL is taken from the installed ``nglview`` wheel: its script and our ``structure_viewer*.js`` are joined into
one ES module in the user's cache folder, which the server hands out. Nothing is fetched from another host.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any, ClassVar

import ase
import numpy as np
import param
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from ase.neighborlist import natural_cutoffs
from bokeh.embed.bundle import extension_dirs
from panel.custom import JSComponent
from scipy.spatial import cKDTree

from meagraph.environments import neighbourhood
from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path, cache_directory
from meaviz.style import DARK, LIGHT

BALLS_ONLY_ABOVE = 10_000
"""With more drawn atoms than this, bonds are drawn in the environment only, and without one none at all."""
BOND_TOLERANCE = 1.1
"""Two atoms are bonded when closer than this many times the sum of their covalent radii."""

_VIEW_CODE = [Path(__file__).with_name(f"{name}.js") for name in ("structure_viewer_frame", "structure_viewer")]
_BUNDLE_HEAD = """\
// Joined from the NGL library in the nglview package and from structure_viewer*.js.
const LIBRARY = %s;

function loadNGL() {
  const base = {DOMWidgetModel: class {}, DOMWidgetView: class {}};
  let library;
  const define = (...parts) => {
    const factory = parts.pop(), names = parts.pop() ?? [], exported = {};
    library = factory(...names.map((name) => (name === "exports" ? exported : base))) ?? exported;
  };
  define.amd = {};
  new Function("define", "module", "exports", LIBRARY)(define, undefined, undefined);
  if (!library?.NGL) throw new Error("the installed nglview package holds no NGL library");
  return library.NGL;
}

"""


def ngl_script() -> Path:
    """Find the script of the installed nglview package that contains NGL (its classic notebook extension).

    Raises:
        MEAGraphError: nglview is not installed, or was installed without the script.
    """
    tail = ("nbextensions", "nglview-js-widgets", "index.js")
    try:
        listed = importlib.metadata.files("nglview") or []
    except importlib.metadata.PackageNotFoundError:
        listed = []
    candidates = [Path(str(file.locate())) for file in listed if file.parts[-3:] == tail]
    candidates.append(Path(sys.prefix, "share", "jupyter", *tail))
    for path in candidates:
        if path.is_file():
            return path.resolve()
    raise MEAGraphError(
        "The 3D view needs the NGL library, which comes with the nglview package, but its file "
        f"{'/'.join(tail)} was not found in this Python environment. Install it: pip install nglview"
    )


def write_bundle(folder: Path) -> Path:
    """Write the viewer's ES module (NGL and our view code) into ``folder``; return its path.

    The name carries a hash of the content. A file that is already there is used only if it holds exactly that
    content, and only from a folder that nobody else can write to: the code runs in the user's browser.

    Raises:
        MEAGraphError: another user can write to the folder, or nglview is missing.
    """
    _require_private(folder)
    library = json.dumps(ngl_script().read_text(encoding="utf-8"))
    parts = [_BUNDLE_HEAD % library, *(path.read_text(encoding="utf-8") for path in _VIEW_CODE)]
    content = "\n".join(parts).encode("utf-8")
    path = folder / f"structure-viewer-{hashlib.sha256(content).hexdigest()[:16]}.js"
    if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    return path


def _require_private(folder: Path) -> None:
    if not hasattr(os, "getuid"):  # Windows: the profile folder's access list protects it
        return
    status = folder.stat()
    if status.st_uid == os.getuid() and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(0o700)
        status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise MEAGraphError(
            f"The 3D viewer's code is not kept in the cache folder {folder}: another user can write to it. "
            "Set the environment variable MEAVIZ_CACHE to a folder of your own, or remove that folder."
        )


@functools.cache
def viewer_bundle() -> Path:
    """Write the viewer's ES module into the user's cache, on the first call, and let the server serve it."""
    path = write_bundle(cache_directory("ngl"))
    # Panel addresses a bundle relative to the class's module, and browsers strip the ".." of one elsewhere;
    # what lies in the folder of an extension it addresses as static/extensions/<name>/<file>.
    extension_dirs["meaviz-ngl"] = path.parent
    return path


class _Bundle:
    """``_bundle`` of the component, made on first use, as an import must not need nglview."""

    def __get__(self, instance: object, owner: type) -> Path:
        return viewer_bundle()


def element_colors(numbers: np.ndarray) -> np.ndarray:
    """Jmol's element colours for atomic numbers (n,), as (n,) uint32 0xRRGGBB."""
    rgb = np.rint(jmol_colors[numbers] * 255).astype(np.uint32)
    return rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]


def bonded_pairs(positions: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
    """Pairs (B, 2) int of points (n, 3) Å no farther apart than the sum of their ``cutoffs`` (n,) Å."""
    if len(positions) < 2:
        return np.empty((0, 2), dtype=np.intp)
    pairs = cKDTree(positions).query_pairs(2 * cutoffs.max(), output_type="ndarray")
    distance = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    return pairs[distance <= cutoffs[pairs].sum(axis=1)]


def build_scene(
    atoms: ase.Atoms, *, colors: np.ndarray | None = None, focus: int = -1, cutoff: float = 5.0
) -> dict[str, Any]:
    """Describe what is to be drawn, as arrays that travel to the browser unchanged.

    The M drawn atoms are the n of the structure, then one ghost for each neighbour of the chosen atom that is
    another periodic image than the one in the file.

    Args:
        atoms: (n,) atoms.
        colors: (n,) uint32 0xRRGGBB; None gives the elements' colours.
        focus: index of the chosen atom; -1 shows the whole structure evenly.
        cutoff: radius of the environment around it, in Å.

    Returns:
        ``symbols``: the elements; ``kinds``: (M,) uint8 index into them; ``positions``: (3M,) float32 Å;
        ``radii``, ``balls``: (M,) float32 Å, of space-filling balls and of those between sticks;
        ``colors``: (M,) uint32; ``bonds``: (2B,) int32; ``parents``: (M,) int32 atom of the structure;
        ``real``: n; ``center``: focus; ``near``: (K,) int32 drawn atoms of the environment, its centre
        included; ``cell``: (9,) float32 Å or None; ``spacefill``: too many atoms for balls and sticks.

    Raises:
        ValueError: ``colors`` has another length than ``atoms``, or ``focus`` is no atom of the structure.
    """
    n = len(atoms)
    numbers = atoms.get_atomic_numbers()
    colors = element_colors(numbers) if colors is None else np.asarray(colors, dtype=np.uint32)
    if colors.shape != (n,):
        raise ValueError(f"colors must be one number an atom, shape ({n},), not {colors.shape}")
    if not -1 <= focus < n:
        raise ValueError(f"focus must be -1 or an atom index below {n}, not {focus}")

    parents, positions, near = np.arange(n), atoms.get_positions(), np.empty(0, dtype=np.intp)
    if focus >= 0:
        environment = neighbourhood(atoms, focus, cutoff)
        ghost = np.asarray(environment.shifts).any(axis=1)
        parents = np.concatenate([parents, environment.atoms[ghost]])
        positions = np.concatenate([positions, environment.positions[ghost]])
        near = np.concatenate([[focus], environment.atoms[~ghost], np.arange(n, len(parents))])
    big = len(parents) > BALLS_ONLY_ABOVE
    bonding = near if big else np.arange(len(parents))
    cutoffs = np.asarray(natural_cutoffs(atoms, mult=BOND_TOLERANCE))[parents]
    bonds = bonding[bonded_pairs(positions[bonding], cutoffs[bonding])]
    species, kinds = np.unique(numbers, return_inverse=True)
    radii = covalent_radii[numbers[parents]]
    periodic = bool(atoms.pbc.any()) and atoms.cell.rank == 3
    return {
        "symbols": [chemical_symbols[number] for number in species],
        "kinds": kinds[parents].astype(np.uint8),
        "positions": positions.astype(np.float32).ravel(),
        "radii": radii.astype(np.float32),
        "balls": (0.16 + 0.3 * radii).astype(np.float32),  # even hydrogen stands out from its stick
        "colors": colors[parents],
        "bonds": bonds.astype(np.int32).ravel(),
        "parents": parents.astype(np.int32),
        "real": n,
        "center": int(focus),
        "near": near.astype(np.int32),
        "cell": atoms.cell.array.astype(np.float32).ravel() if periodic else None,
        "spacefill": big and focus < 0,
    }


class StructureViewer(JSComponent):
    """One NGL stage in the browser, reused for every structure that is shown.

    Keyboard, when focused: arrow keys rotate, + and - zoom, R or Home resets the view. Mouse: a drag rotates,
    with the right button or Shift it moves, the wheel zooms, a click chooses an atom.
    """

    representation: Any = param.Selector(default="ball+stick", objects=["ball+stick", "spacefill"])
    dim = param.Number(default=0.22, bounds=(0.02, 1), doc="Opacity outside the chosen environment.")
    dark = param.Boolean(default=False, doc="Dark background and light text.")
    background_color = param.Color(default=None, allow_None=True, doc="In place of the theme's own.")
    hover = param.Boolean(default=True, doc="Name the atom under the mouse.")
    caption = param.String(default="", doc="Plain text at the lower left, may have several lines.")
    placeholder = param.String(
        default="Click a point on the map to see its environment here", doc="Text while nothing is shown."
    )
    awake = param.Boolean(default=True, doc="Load the library now; False waits for this, or the first structure.")
    scene = param.Dict(default={}, doc="What is drawn, made by show() and clear(); see build_scene.")
    clicked = param.Integer(
        default=-1, doc="Atom of the shown structure that was clicked last, -1 for a click beside the atoms."
    )
    png = param.Bytes(default=None, allow_None=True, doc="The last picture that snapshot() asked for.")

    _rename: ClassVar[dict[str, str | None]] = {"clicked": None, "png": None}  # these stay in Python
    _constants: ClassVar[dict[str, Any]] = {theme.name: dataclasses.asdict(theme) for theme in (LIGHT, DARK)}
    _bundle = _Bundle()

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._scene_id = 0

    def show(
        self,
        atoms: ase.Atoms,
        *,
        colors: np.ndarray | None = None,
        focus: int = -1,
        cutoff: float = 5.0,
        fit: bool = True,
    ) -> None:
        """Draw a structure; with ``focus`` >= 0 the environment of that atom stands out, the rest is dimmed.

        Args:
            atoms, colors, focus, cutoff: as in :func:`build_scene`, whose errors it raises.
            fit: place the camera anew, on the environment if there is one; False keeps the view, and only moves
                it when the chosen atom would lie outside.
        """
        content = build_scene(atoms, colors=colors, focus=focus, cutoff=cutoff)
        self._scene_id += 1
        self.scene = {"id": self._scene_id, "fit": fit, **content}

    def clear(self) -> None:
        """Empty the view; the placeholder text appears."""
        self._scene_id += 1
        self.scene = {}

    def snapshot(self, factor: int = 2) -> None:
        """Ask the browser for a picture, ``factor`` (1 to 8) times the size on the screen.

        It arrives later, in ``png``; none comes while no browser shows the viewer or where it has no WebGL.
        """
        if not 1 <= factor <= 8:
            raise ValueError(f"factor must be 1 to 8, not {factor}")
        self._send_msg({"type": "snapshot", "factor": int(factor)})

    def _handle_msg(self, data: dict[str, Any]) -> None:
        if data["type"] == "png":
            self._announce("png", base64.b64decode(data["data"]))
        elif data["scene"] == self._scene_id:  # a click on a scene that has been replaced means nothing
            self._announce("clicked", int(data["index"]))

    def _announce(self, name: str, value: Any) -> None:
        """Set a parameter so that its watchers hear of it even when the value is the old one."""
        if getattr(self, name) == value:
            self.param.trigger(name)
        else:
            setattr(self, name, value)
