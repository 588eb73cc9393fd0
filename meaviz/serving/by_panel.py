"""Who may see the app under ``panel serve meaviz``: its own server asks nobody, so the page itself does."""

from __future__ import annotations

import os
import sys

import panel as pn

from meaviz.serving.guard import TOKEN, TOKEN_VARIABLE, Guard, new_token

NO_TOKEN = "--no-token"  # among the arguments: every user of the machine may open the app
REFUSAL = (  # shown in place of the app
    f"This page opens for its token: add ?{TOKEN}=... to its address, as the terminal of the server shows it. The "
    "command meaviz does that by itself, and is the one to use."
)


def knows_token() -> bool:
    """Whether the page is asked for with the token, which the terminal of the server shows."""
    token = pn.state.as_cached("meaviz: token", _told)
    context = None if pn.state.curdoc is None else pn.state.curdoc.session_context
    given = [] if context is None else context.request.arguments.get(TOKEN, [])
    return any(Guard(token=token).is_token(one.decode("utf-8", "replace")) for one in given)


def _told() -> str:
    """The token of this process, said once."""
    token = os.environ.get(TOKEN_VARIABLE) or new_token()
    print(f"meaviz: add ?{TOKEN}={token} to the address of the page", file=sys.stderr, flush=True)
    return token
