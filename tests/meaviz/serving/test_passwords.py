"""The file of users: what it takes and refuses, and that guessing is slow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meagraph.errors import MEAGraphError
from meaviz.serving.passwords import Passwords, add_user
from meaviz.serving.private import kept_secret


def test_a_user_is_added_and_known(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "users"
    add_user(file, "ana", "correct horse")
    text = file.read_text()
    assert text.startswith("ana:$argon2id$")
    assert "correct" not in text
    assert file.stat().st_mode & 0o777 == 0o600
    users = Passwords(file)
    mark = users.mark("ana")
    assert users.right("ana", "correct horse")
    assert not users.right("bo", "correct horse")
    assert users.mark("bo") != users.mark("bo")  # no cookie of a user who is not there is ever right
    add_user(file, "bo", "0123456789")
    with pytest.raises(MEAGraphError, match="there is bo already"):
        add_user(file, "Bo", "0123456789")
    add_user(file, "ana", "another one here")
    assert [line.partition(":")[0] for line in file.read_text().splitlines()] == ["ana", "bo"]
    assert users.right("bo", "0123456789")
    assert users.mark("ana") != mark
    file.unlink()
    assert not users.right("ana", "another one here")


def test_each_wrong_password_makes_the_next_wait_longer(tmp_path: Path) -> None:
    users = Passwords(add_user(tmp_path / "users", "ana", "correct horse"))
    assert users.wait("ana") == 0
    waits = []
    for _ in range(3):
        assert not users.right("ana", "x")
        waits.append(users.wait("ana"))
    assert [round(one) for one in waits] == [1, 2, 4]
    assert users.wait("bo") == 0
    assert users.right("ana", "correct horse")
    assert users.wait("ana") == 0


@pytest.mark.parametrize(
    "name", ["", "../x", ".hidden", "a:b", "a\nb", "ä", "-x", "a" * 65, "a/b", "a b", "a.", "con", "NUL.x"]
)
def test_a_name_that_could_be_a_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MEAGraphError, match="expected a name"):
        add_user(tmp_path / "users", name, "correct horse")
    assert not (tmp_path / "users").exists()


def test_what_is_no_file_of_users_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "users"
    with pytest.raises(MEAGraphError, match="cannot be read"):
        Passwords(file)
    with pytest.raises(MEAGraphError, match="10 to 1,024"):
        add_user(file, "ana", "short")
    for text, words in (("", "there is none"), ("ana:secret\n", "line 1"), ("# x\n\nana\n", "line 3")):
        file.write_text(text)
        file.chmod(0o600)
        with pytest.raises(MEAGraphError, match=words):
            Passwords(file)
    file.unlink()
    add_user(file, "ana", "correct horse")
    file.chmod(0o644)
    with pytest.raises(MEAGraphError, match="chmod 600"):
        Passwords(file)


def test_the_secret_that_signs_is_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "state" / "secret"
    first = kept_secret(file)
    assert len(first) > 40
    assert kept_secret(file) == first
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    with pytest.raises(MEAGraphError, match="chmod 600"):
        kept_secret(file)
    file.write_text("short")
    os.chmod(file, 0o600)
    with pytest.raises(MEAGraphError, match="32 characters"):
        kept_secret(file)
