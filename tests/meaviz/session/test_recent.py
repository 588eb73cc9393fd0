"""The list of what was opened: the latest first, ten at most, as it was read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meagraph.errors import MEAGraphError
from meaviz.session.recent import add_recent, clear_recent, read_recent, recent_path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_latest_comes_first_and_once(home: Path) -> None:
    assert read_recent() == ()
    add_recent(["a.extxyz", "b.extxyz"], {"energy_key": "E"})
    add_recent(["c.extxyz"], {})
    add_recent(["a.extxyz", "b.extxyz"], {"energy_key": "F"})
    both, other = read_recent()
    assert both.paths == (str(home / "a.extxyz"), str(home / "b.extxyz"))
    assert both.reading == {"energy_key": "F"}
    assert other.paths == (str(home / "c.extxyz"),)


def test_ten_are_kept(home: Path) -> None:
    for number in range(12):
        add_recent([f"{number}.extxyz"], {})
    assert [Path(one.paths[0]).stem for one in read_recent()] == [str(number) for number in range(11, 1, -1)]
    assert [path.name for path in recent_path().parent.iterdir()] == ["recent.json"]  # no half-written file beside it
    assert clear_recent() == read_recent() == ()


@pytest.mark.parametrize("content", ["", "[]", '{"opened": 3}', '{"opened": [{"paths": 1}]}', "\xff"])
def test_a_list_that_cannot_be_read_stays_until_it_is_cleared(home: Path, content: str) -> None:
    recent_path().parent.mkdir()
    recent_path().write_text(content, encoding="latin-1")
    for act in (read_recent, lambda: add_recent(["a"], {})):
        with pytest.raises(MEAGraphError, match=r"recent\.json: expected the list .* Clear the list"):
            act()
    assert recent_path().read_text(encoding="latin-1") == content
    clear_recent()
    assert json.loads(recent_path().read_text()) == {"opened": []}


def test_a_folder_that_cannot_be_written_is_named(home: Path) -> None:
    (home / "home").write_text("a file")
    with pytest.raises(MEAGraphError, match="MEAVIZ_DATA_HOME"):
        add_recent(["a.extxyz"], {})
