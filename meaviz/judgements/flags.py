"""Flags of earlier versions, taken over into the ledger once."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime
from pathlib import Path

from meagraph.errors import MEAGraphError
from meagraph.files import from_json
from meaviz.judgements.ledger import TIME, Act, check_atom, merge_entries

OLD_FLAGS = "meaviz-flags-1"


def adopt_flags(path: Path, author: str) -> None:
    """Take over, once, the flags that earlier versions kept in ``flags.json`` beside the ledger at ``path``.

    The file stays there under another name. Raises MEAGraphError if it is no such file.
    """
    old = path.with_name("flags.json")
    if not old.is_file():
        return
    try:
        content = old.read_bytes()
        stored = from_json(content)
        if stored["format"] != OLD_FLAGS:
            raise ValueError(f"format {stored['format']!r}")
        pairs = [(str(key), check_atom(atom)) for key, atoms in stored["flags"].items() for atom in atoms]
        when = datetime.fromtimestamp(old.stat().st_mtime, UTC).strftime(TIME)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise MEAGraphError(
            f"{old} is not a file of flags that this version can take over ({error}); expected {OLD_FLAGS}. "
            "Move it away to go on without it; nothing was changed."
        ) from error
    uid = hashlib.sha256(content).hexdigest()[:32]  # a second try adds nothing
    act = Act(uid, when, author.strip() or "unknown", "outlier", "", "flagged in an earlier version")
    merge_entries(path, ((act, key, atom) for key, atom in pairs))
    with contextlib.suppress(OSError):
        old.replace(old.with_name("flags.json.taken-over"))
