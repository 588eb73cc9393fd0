"""What a browser test needs of the machine: it is skipped without it, or fails where it must not be skipped."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where ``MEAVIZ_REQUIRE_BROWSER=1`` forbids skipping, as in continuous integration."""
    if os.environ.get("MEAVIZ_REQUIRE_BROWSER") == "1":
        pytest.fail(reason + "; MEAVIZ_REQUIRE_BROWSER=1 forbids skipping")
    pytest.skip(reason)
