"""The log: where it is, what comes into it, what never does."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from meagraph import logs
from meagraph.cli import main
from meagraph.errors import MEAGraphError

log = logging.getLogger("meagraph.test")


@pytest.fixture(autouse=True)
def ended() -> object:
    yield
    logs.end_log()


def test_it_is_private_and_made_with_the_first_line(own_cache: Path) -> None:
    path = logs.begin_log("meaviz")
    assert path == own_cache.parent / "state" / "meaviz.log"
    assert logs.log_in_use() == path
    log.debug("not this")
    assert not path.exists()
    log.info("but this")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "INFO meagraph.test" in path.read_text()
    assert "not this" not in path.read_text()
    logs.end_log()
    assert logs.log_in_use() is None
    log.error("after the end")
    assert "after the end" not in path.read_text()


@pytest.mark.parametrize(
    "said",
    [
        "GET /?token=HUSH",
        "GET /?theme=x&token=HUSH&y=1",
        "{'token': 'HUSH'}",
        "Cookie: a=1; meaviz=HUSH",
        "Authorization: token HUSH",
        "password=HUSH",
        "Set-Cookie: meaviz=HUSH; HttpOnly",
        "cookie_secret=HUSH",
    ],
)
def test_secrets_do_not_come_into_it(said: str, tmp_path: Path) -> None:
    path = logs.begin_log("meaviz", tmp_path / "log")
    log.warning("%s", said)
    try:
        raise ValueError(said)
    except ValueError:
        log.exception("it failed")
    text = path.read_text()
    assert text.count("...") >= 2
    assert "HUSH" not in text


def test_more_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = logs.begin_log("meaviz", tmp_path / "log", verbose=True)
    log.debug("in detail")
    assert "in detail" in path.read_text()
    assert "in detail" in capsys.readouterr().err


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(MEAGraphError, match="--log"):
        logs.begin_log("meaviz", tmp_path)


def test_a_command_writes_one_where_it_is_asked_to(tmp_path: Path) -> None:
    file = tmp_path / "log"
    assert main(["info", str(tmp_path / "nothing.extxyz"), "--log", str(file)]) == 1
    lines = file.read_text().splitlines()
    assert lines[0].endswith(f"meagraph info {tmp_path / 'nothing.extxyz'} --log {file}")
    assert "nothing.extxyz" in lines[1]
    assert main(["info", str(tmp_path / "nothing.extxyz")]) == 1
    assert not logs.log_path("meagraph").exists()  # without being asked only what should not happen is written
