"""Entry of ``panel serve meaviz``; ``--args DATA`` names the files to open."""

import sys

from meaviz.app import TITLE, build

build(sys.argv[1:], keep=True).servable(title=TITLE, location=False)
