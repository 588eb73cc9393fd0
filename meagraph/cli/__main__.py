"""``python -m meagraph.cli`` is the command ``meagraph``."""

from __future__ import annotations

import sys

from meagraph.cli import main

sys.exit(main())
