"""What the sessions of one server hold in common: objects by their content, as long as anybody shows them."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import panel as pn

T = TypeVar("T")
KEY = "meaviz: results in common"  # of what :func:`shared` gives, in Panel's cache of the process


class Shared:
    """Objects by a key of their content, for as long as anything else holds them; safe to use from any thread."""

    def __init__(self) -> None:
        self._held: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> Any:
        """What is held under ``key``, or None."""
        with self._lock:
            return self._held.get(key)

    def put(self, key: Hashable, value: object) -> None:
        """Hold ``value`` under ``key``, whatever was there."""
        with self._lock:
            self._held[key] = value

    def one(self, key: Hashable, value: T) -> T:
        """The one object of this content: what is held under ``key``, else ``value``, which is held from now on."""
        with self._lock:
            found: T = self._held.setdefault(key, value)
            return found


def shared() -> Shared:
    """What the sessions of this process share."""
    return pn.state.as_cached(KEY, Shared)
