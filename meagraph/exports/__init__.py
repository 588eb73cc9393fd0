"""Files out: the kept structures unchanged, an index of all of them, a manifest that can be verified."""

from __future__ import annotations

from meagraph.exports.manifest import MANIFEST_VERSION
from meagraph.exports.target import ExportedFiles, ExportError, check_target
from meagraph.exports.verification import verify
from meagraph.exports.writing import export_plan

__all__ = ["MANIFEST_VERSION", "ExportError", "ExportedFiles", "check_target", "export_plan", "verify"]
