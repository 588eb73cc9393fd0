"""Where the embedded demo dataset lies, in a checkout and in an installed package alike."""

from __future__ import annotations

from pathlib import Path

from meagraph.errors import MEAGraphError

FILE_NAME = "nb.extxyz.gz"


class DemoMissingError(MEAGraphError):
    """The demo dataset is not where a checkout or an installed package has it."""


def demo_path() -> Path:
    """Return the path of the embedded demo dataset, a gzipped extended XYZ file.

    An installed package carries it in ``meaviz/demo_data/``; a checkout, even if installed as editable, in
    ``assets/demo/`` beside the packages.

    Raises:
        DemoMissingError: the file is in neither place.
    """
    package = Path(__file__).resolve().parent
    places = (package / "demo_data" / FILE_NAME, package.parent / "assets" / "demo" / FILE_NAME)
    for place in places:
        if place.is_file():
            return place
    tried = " nor ".join(str(place) for place in places)
    raise DemoMissingError(
        f"The demo dataset is missing: expected one of two files, found neither {tried}. "
        "Install meaviz again, or check assets/demo/ out again; your own datasets are not affected."
    )
