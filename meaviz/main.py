"""Entry of ``panel serve meaviz``; ``--args DATA`` names the files to open, with ``--no-token`` before them for all."""

import sys

from meaviz.app import TITLE, build
from meaviz.serving.by_panel import NO_TOKEN, REFUSAL, knows_token
from meaviz.style.text import TextPane

given = [one for one in sys.argv[1:] if one != NO_TOKEN]
shown = build(given, keep=True) if NO_TOKEN in sys.argv[1:] or knows_token() else TextPane(REFUSAL)
shown.servable(title=TITLE, location=False)
