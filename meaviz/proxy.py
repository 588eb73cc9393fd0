"""The entry of jupyter-server-proxy: MEAViz in the launcher of JupyterLab, and on a JupyterHub."""

from __future__ import annotations

import sys
from typing import Any

from meaviz.serving.guard import TOKEN, TOKEN_VARIABLE, new_token

PATIENCE = 120  # s to start, on a file system that many share


def setup() -> dict[str, Any]:
    """How the proxy starts ``meaviz`` and speaks to it.

    Jupyter asks who comes. Other users of the same machine could reach the port past it: what comes without the token
    is refused, and only the proxy adds it.
    """
    token = new_token()
    return {
        "command": [sys.executable, "-m", "meaviz.cli", "--no-browser", "--address", "127.0.0.1", "--port", "{port}"],
        "environment": {TOKEN_VARIABLE: token},
        "request_headers_override": {"Authorization": f"{TOKEN} {token}"},
        "timeout": PATIENCE,
        "absolute_url": False,
        "new_browser_tab": True,
        "launcher_entry": {"enabled": True, "title": "MEAViz"},
    }
