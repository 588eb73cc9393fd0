"""What the app says of an error that nobody foresaw: where the log is, and the log itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import panel_material_ui as pmui
import pytest

from meagraph import logs
from meaviz.jobs.runner import LAST, end_of_log, explain
from meaviz.views.shared.feedback import alert


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The log in use."""
    yield logs.begin_log("meaviz", tmp_path / "log")
    logs.end_log()


def test_it_names_the_log_and_offers_it(log: Path) -> None:
    message = explain(ZeroDivisionError("nobody foresaw this"))
    assert f"The log has the details ({log})." in message
    assert "ZeroDivisionError: nobody foresaw this" in log.read_text()
    [_, button] = alert(message).objects
    assert isinstance(button, pmui.FileDownload)
    assert b"nobody foresaw this" in button.callback().read()
    assert len(alert("The file is not there.").objects) == 1


def test_only_the_end_of_a_long_log_is_offered(log: Path) -> None:
    log.write_bytes(b"a line of the log\n" * 100_000)
    end = end_of_log()
    assert LAST - 20 < len(end) <= LAST
    assert end.startswith(b"a line of the log\n")


def test_a_user_of_a_group_is_not_given_the_log_of_all(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meaviz.jobs.runner.of_a_group", lambda: True)
    message = explain(ZeroDivisionError("nobody foresaw this"))
    assert str(log) not in message
    assert len(alert(message).objects) == 1
