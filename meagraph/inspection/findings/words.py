"""Numbers in sentences."""

from __future__ import annotations


def count(n: int, what: str) -> str:
    """``1 atom``, ``2,000 atoms``."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def have(n: int) -> str:
    """The verb of so many."""
    return "has" if n == 1 else "have"


def lack(n: int, total: int, label: str) -> str:
    """``3 of 12 structures have no energy``, ``None of the 12 structures has energy``."""
    if n == total:
        return f"None of the {total:,} structures has {label}." if total > 1 else f"The structure has no {label}."
    return f"{n:,} of {total:,} structures {have(n)} no {label}."
