"""The app behind its door, in a real browser: token, policy, frames, and a server that goes and comes back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from meaviz.app import build
from meaviz.serving.server import serve
from meaviz.session import Session
from tests.support.browser import BrowserLog, fresh_page, wait_idle, wait_until
from tests.support.finished import Finished

KEEP_SOCKETS = """const Real = WebSocket; window.sockets = [];
window.WebSocket = class extends Real { constructor(...all) { super(...all); window.sockets.push(this); } };"""
INJECT = """() => {
  const box = document.createElement("div"), script = document.createElement("script");
  box.innerHTML = "<img src='data:,' onerror='window.hit = 1'>";
  script.textContent = "window.hit = 2";
  document.body.append(box, script);
}"""


@pytest.mark.browser
def test_the_door_the_policy_and_a_server_that_goes(
    chromium: Browser, known: Finished, page: Page, browser_log: BrowserLog
) -> None:
    """One page after the other in one test: each takes seconds to load."""
    found = known.analysis
    sessions: list[Session] = []

    def app() -> object:
        session = Session()
        session.set_dataset(found.dataset)
        session.set_analysis(found, found.evidence)
        sessions.append(session)
        return build(session=session)

    server = serve(app, title="MEAViz", port=0)
    log = BrowserLog(servers={f"127.0.0.1:{server.port}"})
    try:
        server.wait()
        with fresh_page(chromium, log) as own:
            # a stranger is asked for the token, and is let in by it
            address, _, token = server.url.partition("?token=")
            own.goto(address)
            expect(own.get_by_label("Token")).to_be_visible()
            assert sessions == []
            own.get_by_label("Token").fill("wrong")
            own.get_by_role("button", name="Open").click()
            expect(own.get_by_role("alert")).to_contain_text("not the token")
            own.context.clear_cookies()

            # the address with the token loses it, and all of the page obeys the policy
            own.add_init_script(KEEP_SOCKETS)
            own.goto(server.url)
            assert own.url == address
            wait_idle(own)
            expect(own.get_by_text(f"of {found.dataset.n_environments} selected")).to_be_visible()
            assert token not in own.evaluate("document.cookie + document.documentElement.outerHTML")
            refused = [line for line in log.console if "Content Security Policy" in line or "Refused" in line]
            assert refused == []
            own.evaluate(INJECT)
            wait_until(own, lambda: any("Content Security Policy" in line for line in log.console))
            assert own.evaluate("window.hit") is None
            assert log.external() == []

            # a web socket that breaks is taken up again, with what was selected
            own.get_by_role("textbox", name="Search").fill("structure == 4")
            own.get_by_role("textbox", name="Search").press("Enter")
            chosen = int((found.dataset.structure_of == 4).sum())
            expect(own.get_by_text(f"{chosen} of {found.dataset.n_environments} selected")).to_be_visible()
            own.evaluate("window.sockets.at(-1).close()")
            lost = own.get_by_role("alert")
            expect(lost).to_contain_text("does not answer")
            expect(lost).to_contain_text("server is back")
            expect(own.get_by_text(f"{chosen} of {found.dataset.n_environments} selected")).to_be_visible()
            assert len(sessions) == 1

            # nobody else shows it in a frame
            browser_log.servers.add(f"127.0.0.1:{server.port}")
            page.set_content(f'<iframe src="{server.url}"></iframe>')
            wait_until(page, lambda: any("frame" in line for line in browser_log.console), what="the frame is refused")
            assert page.frame_locator("iframe").get_by_text("MEAViz").count() == 0

            # a server that ended is missed
            server.stop()
            own.evaluate("window.sockets.at(-1).onclose({code: 1006, reason: 'as where the process has ended'})")
            expect(lost).to_contain_text("does not answer")
    finally:
        server.stop()
