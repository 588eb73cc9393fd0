"""Files out: the kept structures unchanged, an index of all of them, a manifest that can be verified."""

from __future__ import annotations

from meagraph.export.manifest import MANIFEST_VERSION
from meagraph.export.verification import verify
from meagraph.export.writing import ExportedFiles, ExportError, export_plan

__all__ = ["MANIFEST_VERSION", "ExportError", "ExportedFiles", "export_plan", "verify"]
