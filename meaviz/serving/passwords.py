"""The file of users of a shared server: a line for each, with a hash of the password by Argon2."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meagraph.errors import MEAGraphError
from meagraph.files import leads_out
from meaviz.serving.private import write_private

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # names a folder, too
SHORTEST, LONGEST = 10, 1024  # characters of a password
MOST = 10_000  # names and addresses that wrong passwords are counted of
PAUSE, LONGEST_PAUSE = 1.0, 60.0  # s after a wrong password, twice as long after each further one
log = logging.getLogger(__name__)

INSTALL = 'pip install "meaviz[serve]"'


def add_user(path: str | Path, name: str, password: str) -> Path:
    """Write a user into the file, private to who runs the server; one of that name gets the new password.

    Raises MEAGraphError for a name or password that cannot be, and where the file cannot be read or written.
    """
    path = Path(path).expanduser()
    if not NAME.fullmatch(name) or name.endswith(".") or leads_out(name):  # a device of Windows
        raise MEAGraphError(
            f"{name!r}: expected a name of letters, digits, '.', '_' and '-', 64 at most, beginning with a letter or "
            "a digit and ending with no dot, that is no device of Windows. Choose another."
        )
    if not SHORTEST <= len(password) <= LONGEST:
        raise MEAGraphError(
            f"Expected a password of {SHORTEST} to {LONGEST:,} characters, got {len(password)}. Choose another."
        )
    users = _read(path) if path.exists() else {}
    if twin := next((one for one in users if one != name and one.casefold() == name.casefold()), ""):
        raise MEAGraphError(
            f"{name}: there is {twin} already, which is one folder with it on some systems. Choose another."
        )
    users[name] = _hasher().hash(password)
    try:
        write_private(path, "".join(f"{one}:{users[one]}\n" for one in sorted(users)))
    except OSError as error:
        raise MEAGraphError(
            f"{path}: the file of users cannot be written ({error.strerror or error}). Name another with --passwords."
        ) from error
    return path


@dataclass(eq=False)
class Passwords:
    """The users in a file, which is read again when it changes; its methods raise MEAGraphError where it is none."""

    path: Path
    _users: dict[str, str] = field(default_factory=dict, repr=False)
    _stamp: tuple[int, int] = (0, 0)
    _wrong: dict[str, tuple[int, float]] = field(default_factory=dict, repr=False)  # attempts, and until when to wait
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _hashing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self._nobody = _hasher().hash(os.urandom(16).hex())  # as slow to refuse as a wrong password is
        self.users()

    def users(self) -> dict[str, str]:
        """Names and hashes of now."""
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
        except OSError:
            stamp = (0, 0)
        if stamp != self._stamp or not self._users:
            self._users, self._stamp = {}, stamp
            self._users = _read(self.path)
        return self._users

    def _known(self) -> dict[str, str]:
        """Nobody, where the file cannot be used any more: the log says why."""
        try:
            return self.users()
        except MEAGraphError as error:
            log.error("%s", error)
            return {}

    def mark(self, name: str) -> str:
        """What changes with the user's password; nothing that anybody has for a name that is not there."""
        known = self._known().get(name)
        return hashlib.sha256(known.encode()).hexdigest()[:20] if known else os.urandom(10).hex()

    def wait(self, name: str, address: str = "") -> float:
        """Seconds until another attempt by this name from this address is heard."""
        with self._lock:
            return max(0.0, self._wrong.get(f"{name} {address}", (0, 0.0))[1] - time.monotonic())

    def right(self, name: str, password: str, address: str = "") -> bool:
        """Whether it is the user's password, in about 50 ms either way; each wrong one makes the next wait longer."""
        from argon2.exceptions import Argon2Error, InvalidHashError

        known, who = self._known().get(name), f"{name} {address}"
        with self._hashing:  # one at a time: each takes 64 MiB
            try:
                _hasher().verify(known or self._nobody, password[: LONGEST + 1])
                right = known is not None
            except (Argon2Error, InvalidHashError):
                right = False
        with self._lock:
            if right:
                self._wrong.pop(who, None)
                return True
            count = self._wrong.get(who, (0, 0.0))[0] + 1
            if len(self._wrong) > MOST:
                self._wrong.clear()
            self._wrong[who] = (count, time.monotonic() + min(PAUSE * 2 ** min(count - 1, 10), LONGEST_PAUSE))
            return False


def _read(path: Path) -> dict[str, str]:
    try:
        text, mode = path.read_text(encoding="utf-8"), path.stat().st_mode
    except (OSError, ValueError) as error:
        raise MEAGraphError(
            f"{path}: expected the file of users, but it cannot be read ({error}). Make one with meaviz --add-user "
            "NAME --passwords FILE."
        ) from error
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_IROTH):
        raise MEAGraphError(
            f"{path}: expected a file of users that nobody else reads or changes, but its mode is "
            f"{stat.filemode(mode)}. Run: chmod 600 {path}"
        )
    users = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.strip().partition(":")
        if not NAME.fullmatch(name) or not hashed.startswith("$argon2"):
            raise MEAGraphError(
                f"{path}, line {number}: expected NAME:HASH with a hash by Argon2. Write it with meaviz --add-user "
                f"NAME --passwords {path}."
            )
        users[name] = hashed
    if not users:
        raise MEAGraphError(
            f"{path}: expected users, but there is none. Add one: meaviz --add-user NAME --passwords {path}"
        )
    return users


def _hasher() -> Any:
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise MEAGraphError(
            f"Passwords need argon2-cffi, which is not installed. Install it with: {INSTALL}"
        ) from error
    return PasswordHasher()
