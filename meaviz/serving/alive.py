"""What a page asks its server besides: whether it still knows the page whose web socket broke; its icon."""

from __future__ import annotations

from bokeh.server.views.auth_request_handler import AuthRequestHandler


class Alive(AuthRequestHandler):
    """200 for a session that is there, 410 for one that is not."""

    def get(self, session_id: str) -> None:
        """Answer, with nothing but the status."""
        known = {session.id for path in self.application.app_paths for session in self.application.get_sessions(path)}
        self.set_header("Cache-Control", "no-store")
        self.set_status(200 if session_id in known else 410)
        self.finish()


class Icon(AuthRequestHandler):
    """The icon of the page: Bokeh has it at the root alone, whatever the prefix is."""

    def get(self) -> None:
        """Answer with the icon."""
        self.set_header("Content-Type", "image/x-icon")
        self.finish(self.application.icon or b"")


PATTERNS = [(r"/session/([A-Za-z0-9_.-]+)", Alive), (r"/favicon.ico", Icon)]
