"""What input may hold at most, so that none fills the memory or the disk; each says how it is raised."""

from __future__ import annotations

import os
from dataclasses import dataclass

from meagraph.errors import MEAGraphError

FREE = 64 * 2**20
"""Bytes that a compressed file may hold whatever its size."""


LARGEST = 2**30
"""Bytes of a file that is read as a whole, as JSON is."""


@dataclass(frozen=True)
class Limit:
    """The most of something; an environment variable of its own may name another number."""

    what: str
    usual: int
    variable: str

    @property
    def value(self) -> int:
        """The number that holds now. Raises MEAGraphError where the variable names none."""
        text = os.environ.get(self.variable, "").strip()
        if not text:
            return self.usual
        try:
            found = int(text)
        except ValueError:
            found = 0
        if found < 1:
            raise MEAGraphError(
                f"{self.variable}: expected a whole number of 1 or more, the most {self.what}, but it is {text!r}. "
                "Name a number, or unset it."
            )
        return found

    @property
    def remedy(self) -> str:
        """How it is raised, for the end of a message."""
        return f"Raise the limit if that is right (environment variable {self.variable})"


FRAMES = Limit("frames of a dataset", 50_000_000, "MEAVIZ_MAX_FRAMES")
ENTRIES = Limit("differently named entries of a dataset's frames", 10_000, "MEAVIZ_MAX_ENTRIES")
GROUP = Limit("characters of a group's name", 1_000, "MEAVIZ_MAX_GROUP_NAME")
MEMBERS = Limit("files of an archive, or of a folder that is one dataset", 100_000, "MEAVIZ_MAX_MEMBERS")
RATIO = Limit("times that a compressed file grows", 100, "MEAVIZ_MAX_RATIO")
UPLOAD = Limit("bytes that are brought with the browser in a session", 2_000_000_000, "MEAVIZ_MAX_UPLOAD")
UPLOADED = Limit("files that are brought together", 10_000, "MEAVIZ_MAX_UPLOADED_FILES")
LIMITS = (FRAMES, ENTRIES, GROUP, MEMBERS, RATIO, UPLOAD, UPLOADED)
