"""Judgements between the ledger of a user and that of a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

from meagraph.errors import MEAGraphError
from meaviz.judgements.judgements import entry_of
from meaviz.judgements.ledger import Act, all_entries, merge_entries, read_entries

LEDGER = "judgements.sqlite"


def carry(source: Path, target: Path, keys: Sequence[str], *, since: int = 0) -> int:
    """Add to ``target`` what the ledger ``source`` says on the structures ``keys`` after its act number ``since``.

    Returns the number to go on from. Raises MEAGraphError where either cannot be used.
    """
    distinct = tuple(dict.fromkeys(keys))
    found = read_entries(source, distinct, since=since)
    if found.last == since or not found.acts:
        return found.last
    told = {found.acts[number].uid for number in found.act.tolist()}

    def entries() -> Iterator[tuple[Act, str, int]]:
        for structure, atom, number in zip(
            found.structure.tolist(), found.atom.tolist(), found.act.tolist(), strict=True
        ):
            yield found.acts[number], distinct[structure], atom
        for act in found.acts.values():
            if act.undoes and (act.undoes in told or since):
                yield act, "", -1

    merge_entries(target, entries())
    return found.last


def adopt(source: Path, target: Path) -> int:
    """Add to the ledger ``target`` all that a project's ``source`` holds; return how many acts were new.

    Raises MEAGraphError, with ``target`` as it was, where ``source`` holds what no ledger does.
    """
    if not source.is_file():
        return 0

    def entries() -> Iterator[tuple[Act, str, int]]:
        for act, key, atom in all_entries(source):
            try:
                yield entry_of([*map(str, astuple(act)), key, str(atom) if key else ""])
            except (ValueError, TypeError) as error:
                raise MEAGraphError(
                    f"{source}: expected judgements, but {error}. Move the file away to go on without them."
                ) from error

    return merge_entries(target, entries())
