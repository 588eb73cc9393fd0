"""What a component hears from its page, without a page."""

from __future__ import annotations

from typing import Any

from panel.custom import JSComponent


def from_browser(component: JSComponent, message: Any) -> None:
    """Let ``component`` hear ``message``, as if its script had sent it: by the hook that Panel calls then."""
    component._handle_msg(message)
