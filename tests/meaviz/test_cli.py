"""The ``meaviz`` command: whom it serves."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meaviz import cli
from meaviz.proxy import setup
from meaviz.serving.guard import Guard
from meaviz.serving.passwords import add_user
from meaviz.serving.private import open_browser
from tests.support import ROOT

ALLOWED = ("127.0.0.1", "localhost", "::1", "127.0.0.2")
OTHERS = ("0.0.0.0", "::", "", "192.168.0.1", "example.org", "127.0.0.1.example.org", "1270.0.1")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Guard, dict[str, Any]]]:
    """What the command would have served: guards and options; what it would have opened is an option, too."""
    calls: list[tuple[Guard, dict[str, Any]]] = []

    def make(app: Any, guard: Guard, **options: Any) -> Any:
        calls.append((guard, options))
        loop = SimpleNamespace(add_callback=lambda call, url: options.update(opened=url), start=lambda: None)
        return SimpleNamespace(io_loop=loop, start=lambda: None)

    monkeypatch.setattr(cli, "make", make)
    monkeypatch.setattr(cli, "load", lambda names: None)  # takes seconds
    monkeypatch.setattr("meaviz.views.load_tabs", lambda: None)
    monkeypatch.setattr("meagraph.compiling.begin", lambda *names: None)
    return calls


@pytest.mark.parametrize("address", OTHERS)
def test_an_address_that_others_reach_is_refused(
    address: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--address", address])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "usage: meaviz" in said
    assert f"--address {address}: expected an address of this machine alone" in said
    assert "no password" in said
    assert "--insecure" in said
    assert served == []


@pytest.mark.parametrize("address", OTHERS[:2])
def test_who_insists_gets_it_with_a_warning(
    address: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--address", address, "--insecure"]) == 0
    assert f"warning: what goes to and from {address} can be read on its way" in capsys.readouterr().err
    [(guard, options)] = served
    assert options["address"] == address
    assert guard.token  # still asked for
    assert not guard.local
    assert cli.main(["--address", address, "--insecure", "--no-token"]) == 0
    assert f"warning: whoever reaches {address} can open, export and replace files" in capsys.readouterr().err
    assert served[1][0].open


@pytest.mark.parametrize("address", ALLOWED)
def test_addresses_of_this_machine_are_served_with_a_token(
    address: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--address", address, "--port", "5006"]) == 0
    said = capsys.readouterr().err
    assert "warning" not in said
    [(guard, options)] = served
    assert options["address"] == address
    assert guard.local
    url = re.search(r"meaviz: at (\S+)", said)
    assert url
    host = f"[{address}]" if ":" in address else address
    assert url[1] == f"http://{host}:5006/?token={guard.token}" == options["opened"]
    assert cli.main(["--address", address, "--port", "0", "--no-browser"]) == 0
    other, options = served[1]
    assert other.token != guard.token  # a new one each time
    assert options["port"] > 0
    assert "opened" not in options


def test_who_means_it_gets_no_token(served: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--no-token", "--no-browser"]) == 0
    assert "every user of this machine can open" in capsys.readouterr().err
    assert served[0][0].open


GROUP = ("--serve", "--root", ".")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (GROUP, "how people are known"),
        ((*GROUP, "--passwords", "x", "--oauth", "github"), "how people are known"),
        ((*GROUP, "--oauth", "github", "--read-only"), "--users"),
        (("--serve", "--passwords", "x"), "--root"),
        ((*GROUP, "--passwords", "x"), "--results"),
        ((*GROUP, "--passwords", "x", "--read-only", "--address", "0.0.0.0"), "sent readably"),
        (("--passwords", "x"), "go with --serve"),
        (("--certificate", "x"), "go together"),
        (("--desktop", "--serve", "--passwords", "x", "--root", ".", "--read-only"), "--desktop"),
    ],
)
def test_a_group_is_served_safely_or_not_at_all(
    arguments: tuple[str, ...], words: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
    assert served == []


def test_a_group_is_served(tmp_path: Path, served: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    file, secret = add_user(tmp_path / "users", "ana", "correct horse"), tmp_path / "secret"
    base = ["--serve", "--passwords", str(file), "--root", str(tmp_path), "--results", str(tmp_path / "results")]
    for _ in range(2):
        assert cli.main([*base, "--cookie-secret", str(secret), "--prefix", "meaviz/", "--origin", "lab.example"]) == 0
    (guard, options), (again, _) = served
    assert guard.passwords is not None
    assert guard.secret == again.secret == secret.read_text().strip()  # logins outlive the server
    assert guard.origins == ("lab.example",)
    assert (options["prefix"], options["use_xheaders"]) == ("/meaviz", True)
    assert "opened" not in options


def test_accounts_of_a_provider(tmp_path: Path, served: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    base = ["--serve", "--oauth", "github", "--users", "ana, bo", "--root", str(tmp_path), "--read-only"]
    assert cli.main(base) == 1  # without what the provider gave
    for more, status in ((["--prefix", "meaviz"], 1), ([], 0)):  # under a prefix without the way back
        for name in ("KEY", "SECRET", "ENCRYPTION"):
            monkeypatch.setenv(f"MEAVIZ_OAUTH_{name}", f"the {name}")
        assert cli.main([*base, *more]) == status
    [(guard, options)] = served
    assert (options["oauth_provider"], options["oauth_secret"]) == ("github", "the SECRET")
    assert guard.accounts is not None
    assert "MEAVIZ_OAUTH_SECRET" not in os.environ  # what is started from here does not inherit it


def test_a_user_is_added_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False, readline=lambda: "correct horse\n"))
    assert cli.main(["--add-user", "ana"]) == 1
    assert cli.main(["--add-user", "ana", "--passwords", str(tmp_path / "users")]) == 0
    assert (tmp_path / "users").read_text().startswith("ana:$argon2")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere others cannot read command lines")
def test_the_browser_is_not_told_the_token_by_its_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    open_browser("http://127.0.0.1:5006/?token=hush&x=1")
    [address] = opened
    assert "hush" not in address
    page = Path(address.removeprefix("file://"))
    assert page.stat().st_mode & 0o777 == 0o600
    assert "url=http://127.0.0.1:5006/?token=hush&amp;x=1" in page.read_text()


def test_jupyter_gives_the_token_past_the_command_line() -> None:
    entry = setup()
    token = entry["environment"]["MEAVIZ_TOKEN"]
    assert len(token) == 43
    assert entry["request_headers_override"] == {"Authorization": f"token {token}"}
    assert not any(token in word for word in entry["command"])
    assert setup()["environment"]["MEAVIZ_TOKEN"] != token


def test_the_token_of_the_environment_is_taken(served: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_TOKEN", "t" * 43)
    assert cli.main(["--no-browser", "--port", "0"]) == 0
    assert served[0][0].token == "t" * 43
    assert "MEAVIZ_TOKEN" not in os.environ


def test_what_a_server_loads_at_once_comes_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    assert set(cli.AT_ONCE) <= declared
