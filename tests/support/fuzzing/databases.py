"""How a database of SQLite is damaged in its content: cells, tables, marks."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Sequence

CELLS = [
    *(None, "", "x", -1, 0, 1, 2**31, 2**62, -(2**63), 1e308, -1.5, b"\x00", b"\xff" * 40, "[1", "[]", "[-1]", "[1e9]"),
    *("[[1]]", "[" * 5000, "[999999999999]", "{}", "9" * 5000, "2999-01-01T00:00:00.000000Z", "a" * 3000, "\x1b[2J"),
    *("outlier", "open", "ordinary", "\u202e", "../x"),
]


def sqlite_changed(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """``content`` with a cell, a table or a mark changed, as SQLite itself would write it."""
    base = sqlite3.connect(":memory:", isolation_level=None)
    try:
        base.deserialize(content)
        tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = draw.choice([name for name in tables if not name.startswith("sqlite_")])
        columns = [row[1] for row in base.execute(f'PRAGMA table_info("{table}")')]
        column = draw.choice(columns)
        with contextlib.suppress(sqlite3.Error, OverflowError):
            match draw.randrange(9):
                case 0:
                    base.execute(f'DROP TABLE "{table}"')
                case 1:
                    base.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "x{column}"')
                case 2:
                    base.execute(f'DELETE FROM "{table}"')
                case 3:
                    mark = draw.choice(["user_version", "application_id"])
                    base.execute(f"PRAGMA {mark} = {draw.choice([0, 1, 2, 99, -1, 2**31 - 1])}")
                case 4:
                    base.execute(f'ALTER TABLE "{table}" RENAME TO "old"')
                    base.execute(
                        f'CREATE VIEW "{table}" AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) '
                        "SELECT * FROM n, old"
                    )
                case 5:
                    base.execute(f'CREATE TRIGGER t AFTER INSERT ON "{table}" BEGIN DELETE FROM "{table}"; END')
                case _:
                    limit = draw.choice(["", " WHERE rowid = 1"])
                    base.execute(f'UPDATE OR IGNORE "{table}" SET "{column}" = ?{limit}', (draw.choice(CELLS),))
        return bytes(base.serialize())
    finally:
        base.close()
