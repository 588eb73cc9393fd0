"""The script of the 3D view: NGL and our own code in one file that the server hands out.

NGL is taken from the installed ``nglview`` wheel: its script and our ``structure_viewer*.js`` are joined into
one ES module in the user's cache folder. Nothing is fetched from another host.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import stat
import sys
from pathlib import Path

from bokeh.embed.bundle import extension_dirs

from meagraph.cache import cache_directory
from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path

_SOURCES = ("structure_viewer_frame", "structure_viewer_overlay", "structure_viewer")
_VIEW_CODE = [Path(__file__).with_name(f"{name}.js") for name in _SOURCES]
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


class Bundle:
    """``_bundle`` of the component, made on first use, as an import must not need nglview."""

    def __get__(self, instance: object, owner: type) -> Path:
        return viewer_bundle()
