"""Judgements are bound to content, survive what kills the server, and tell who said what."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.errors import MEAGraphError
from meaviz.judgements import ledger
from meaviz.judgements.flags import adopt_flags
from meaviz.judgements.judgements import Judgements, export_judgements, import_judgements, read_judgements, refresh
from meaviz.judgements.ledger import VERDICTS, Act, add_judgement, ledger_path, undo_judgement
from tests.support import ROOT

SIZES = (1, 3, 2, 4, 3)
POOL = tuple(Atoms("Nb" * size, positions=np.arange(3 * size).reshape(-1, 3) + 0.1 * size) for size in SIZES)


def dataset_of(places: Sequence[int]) -> AtomicDataset:
    """The structures of POOL in this order; the fifth differs from the second in its positions only."""
    structures = [POOL[place].copy() for place in places]
    for place, atoms in zip(places, structures, strict=True):
        atoms.positions += place
    return dataset_from_structures(structures, allow_unlabelled=True)


def judge(data: AtomicDataset, rows: ArrayLike, verdict: str, author: str = "Ana", **words: str) -> Act:
    rows = np.asarray(rows)
    return add_judgement(
        ledger_path(),
        data.structure_keys,
        data.structure_of[rows],
        data.atom_of[rows],
        verdict=verdict,
        author=author,
        **words,
    )


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def data() -> AtomicDataset:
    """Five structures, N = 13: rows 0 | 1-3 | 4-5 | 6-9 | 10-12."""
    return dataset_of(range(5))


def words(acts: Sequence[Act]) -> list[tuple[str, str]]:
    return [(act.author, act.verdict) for act in acts]


ACTS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=6),
        st.sampled_from(VERDICTS),
        st.sampled_from(["Ana", "Bo", "Čeněk"]),
        st.booleans(),
    ),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(acts=ACTS, order=st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_judgements_follow_content_through_reordering_merging_and_copies(acts, order) -> None:
    """Against the plain rule, worked out in a dictionary: the newest word that was not taken back counts."""
    shutil.rmtree(ledger_path().parent, ignore_errors=True)
    whole = dataset_of(range(5))
    latest: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for pairs, verdict, author, undo in acts:
        pairs = {(place, atom % SIZES[place]) for place, atom in pairs}
        act = judge(whole, [whole.offsets[place] + atom for place, atom in pairs], verdict, author)
        if undo:
            undo_judgement(ledger_path(), act.uid, author=author)
        else:
            for pair in pairs:
                latest.setdefault(pair, []).append((author, verdict))
    part = dataset_of(order)  # some structures left out, some several times, in another order
    found = read_judgements(part)
    for row in range(part.n_environments):
        said = latest.get((order[part.structure_of[row]], int(part.atom_of[row])), [])
        assert words(found.of(row)) == said[::-1]
        assert VERDICTS[found.verdict[row]] == (said[-1][1] if said else "open")
        assert found.outlier[row] == bool(said and said[-1][1] == "outlier")
        assert found.ordinary[row] == bool(said and said[-1][1] == "ordinary")
        assert found.disputed[row] == ({"outlier", "ordinary"} <= set(dict(said).values()))


def test_nothing_is_made_by_looking(data: AtomicDataset, home: Path) -> None:
    found = read_judgements(data)
    assert not found.outlier.any()
    assert found.of(3) == []
    assert not home.exists()


def test_two_authors(data: AtomicDataset) -> None:
    """The newest counts, disagreement shows, and the history stays."""
    judge(data, [2, 3], "outlier", "Ana", reason="wrong label", note="spin")
    judge(data, [3, 4], "ordinary", "Bo")
    found = read_judgements(data)
    assert np.flatnonzero(found.outlier).tolist() == [2]
    assert np.flatnonzero(found.ordinary).tolist() == [3, 4]
    assert np.flatnonzero(found.disputed).tolist() == [3]
    assert words(found.of(3)) == [("Bo", "ordinary"), ("Ana", "outlier")]
    assert (found.of(2)[0].reason, found.of(2)[0].note) == ("wrong label", "spin")
    judge(data, [3], "ordinary", "Ana")
    found = refresh(found)
    assert not found.disputed.any()
    assert {author: act.verdict for author, act in found.newest_by_author(3).items()} == dict.fromkeys(
        ("Ana", "Bo"), "ordinary"
    )
    assert len(found.of(3)) == 3
    judge(data, [3], "open", "Ana")
    found = refresh(found)
    assert not found.ordinary[3]
    assert list(found.newest_by_author(3)) == ["Bo"]


def test_an_act_taken_back_leaves_what_was_before(data: AtomicDataset) -> None:
    judge(data, [5], "ordinary")
    act = judge(data, [5, 6], "outlier")
    before = read_judgements(data)
    undo_judgement(ledger_path(), act.uid, author="Ana")
    after = refresh(before)
    assert before.outlier[[5, 6]].all()
    assert after.verdict[[5, 6]].tolist() == [VERDICTS.index("ordinary"), 0]
    assert [one.uid for one, *_ in ledger.all_entries(ledger_path())].count(act.uid) == 2  # still on record


def test_going_on_reads_the_same_as_reading_anew(data: AtomicDataset) -> None:
    found = read_judgements(data)
    for row, verdict in ((1, "outlier"), (1, "ordinary"), (7, "outlier")):
        judge(data, [row], verdict)
        found = refresh(found)
        np.testing.assert_array_equal(found.verdict, read_judgements(data).verdict)
    assert refresh(found) is found


def test_a_clock_that_goes_back_does_not_bring_old_words_back(
    data: AtomicDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(data, [0], "outlier")
    real = ledger.datetime

    class Slow(real):
        @classmethod
        def now(cls, zone=None):
            return real.now(zone).replace(year=2001)

    monkeypatch.setattr(ledger, "datetime", Slow)
    judge(data, [0], "ordinary")
    assert read_judgements(data).ordinary[0]


WRITER = """
import sys
import numpy as np
from pathlib import Path
from meaviz.judgements.ledger import add_judgement
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
keys = [f"{place:032x}" for place in range(200)]
for number in range(count):
    atoms = np.arange(50)  # many rows, so that a kill hits the middle of a transaction
    act = add_judgement(path, keys, np.repeat(np.arange(200), 50), np.tile(atoms, 200), verdict="outlier", author=name)
    print(act.uid, flush=True)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def stored(path: Path) -> dict[str, int]:
    """Environments of each act of the ledger."""
    found: dict[str, int] = {}
    for act, *_ in ledger.all_entries(path):
        found[act.uid] = found.get(act.uid, 0) + 1
    return found


@pytest.mark.parametrize("after", [1, 3])
def test_what_was_acknowledged_survives_kill_9(home: Path, after: int) -> None:
    path = ledger_path()
    process = writer(path, "Ana", 10_000)
    told = [process.stdout.readline().strip() for _ in range(after)]
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.read().split()  # told before it died
    process.wait()
    assert process.returncode == -signal.SIGKILL
    found = stored(path)
    assert set(told) <= set(found)
    assert len(found) <= len(told) + 1  # the last may have been stored and not told
    assert set(found.values()) == {10_000}  # no act by halves
    with sqlite3.connect(path) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    add_judgement(path, ["0" * 32], [0], [0], verdict="ordinary", author="Bo")
    assert len(stored(path)) == len(found) + 1


def test_a_kill_within_a_transaction_leaves_what_was_before(home: Path) -> None:
    """The server dies after pages of the file have been overwritten, before the end of the transaction."""
    path = ledger_path()
    add_judgement(path, ["a" * 32], [0], [0], verdict="outlier", author="Ana")
    before = stored(path)
    script = f"""
import os, signal
from pathlib import Path
from meaviz.judgements import ledger
with ledger.written(Path({str(path)!r})) as base:
    base.execute("PRAGMA cache_size = 2")
    base.execute("PRAGMA cache_spill = 1")
    base.executemany("INSERT INTO structures (key) VALUES (?)", ((f"{{n:032x}}",) for n in range(20000)))
    base.execute("UPDATE acts SET author = 'nobody'")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.with_name(path.name + "-journal").stat().st_size > 0  # there is something to roll back
    assert stored(path) == before
    assert next(ledger.all_entries(path))[0].author == "Ana"


def test_two_processes_write_at_once(home: Path) -> None:
    both = [writer(ledger_path(), name, 8) for name in ("Ana", "Bo")]
    told = [set(process.communicate(timeout=120)[0].split()) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [len(one) for one in told] == [8, 8]
    assert set(stored(ledger_path())) == told[0] | told[1]
    times = {act.time for act, *_ in ledger.all_entries(ledger_path())}
    assert len(times) == 16  # each later than the one before, so that there is a newest


def test_groups_share_their_ledgers(data: AtomicDataset, home: Path, tmp_path: Path) -> None:
    """Exported, imported on the other side, back again: both hold the same, words with commas and all."""
    other = tmp_path / "other.sqlite"
    judge(data, [1, 8], "outlier", "Ana", reason="SCF, not converged", note='"see" log\nline 2')
    undone = judge(data, [9], "outlier", "Ana")
    undo_judgement(ledger_path(), undone.uid, author="Ana")
    add_judgement(other, data.structure_keys, [3], [2], verdict="ordinary", author="Bo")
    assert export_judgements(tmp_path / "a.csv") == 4
    assert import_judgements(tmp_path / "a.csv", other) == 3
    assert import_judgements(tmp_path / "a.csv", other) == 0
    assert export_judgements(tmp_path / "b.csv", other) == 5
    assert import_judgements(tmp_path / "b.csv") == 1
    assert list(ledger.all_entries(other)) == list(ledger.all_entries(ledger_path()))
    found = read_judgements(data)
    assert VERDICTS[found.verdict[8]] == "ordinary"  # said later, though imported earlier
    assert np.flatnonzero(found.outlier).tolist() == [1]
    assert found.of(1)[0].note == '"see" log\nline 2'
    np.testing.assert_array_equal(read_judgements(data, other).verdict, found.verdict)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("a,b\n", "cells"),
        ("u,yesterday,Ana,outlier,,,,k,0\n", "yesterday"),
        ("u,2026-01-01T00:00:00.000000Z,Ana,guilty,,,,k,0\n", "guilty"),
        ("u,2026-01-01T00:00:00.000000Z,,outlier,,,,k,0\n", "author"),
        ("u,2999-01-01T00:00:00.000000Z,Ana,outlier,,,,k,0\n", "future"),
        ("u,2026-01-01T00:00:00.000000Z,Ana,outlier,,,,k,-2\n", "atom"),
        ("u,2026-01-01T00:00:00.000000Z,Ana,outlier,,,,k,one\n", "one"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(data: AtomicDataset, tmp_path: Path, line: str, word: str) -> None:
    judge(data, [0], "outlier")
    path = tmp_path / "share.csv"
    export_judgements(path)
    path.write_text(path.read_text() + "v,2026-01-01T00:00:00.000000Z,Bo,outlier,,,,k,0\n" + line)
    with pytest.raises(MEAGraphError, match=f"(?s)line 4.*{word}"):
        import_judgements(path)
    assert len(stored(ledger_path())) == 1


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("name,age\nAna,3\n")
    (tmp_path / "y.csv").write_bytes(b"\xff\xfe\x00")
    for name, word in (("x.csv", "columns"), ("y.csv", "cannot be read"), ("z.csv", "cannot be read")):
        with pytest.raises(MEAGraphError, match=word):
            import_judgements(tmp_path / name)


def test_an_atom_that_the_structure_does_not_have_is_nobody_elses(data: AtomicDataset) -> None:
    add_judgement(ledger_path(), data.structure_keys, [1, 1], [2, 3], verdict="outlier", author="Ana")
    assert np.flatnonzero(read_judgements(data).outlier).tolist() == [3]


def test_old_flags_are_taken_over_once(data: AtomicDataset, home: Path) -> None:
    home.mkdir()
    old = home / "flags.json"
    flags = {data.structure_keys[1]: [0, 2], data.structure_keys[4]: [1], "f" * 32: [7]}
    old.write_text(json.dumps({"format": "meaviz-flags-1", "flags": flags}))
    copy = old.read_text()
    adopt_flags(ledger_path(), "Ana")
    found = read_judgements(data)
    assert np.flatnonzero(found.outlier).tolist() == [1, 3, 11]
    assert found.of(1)[0].author == "Ana"
    assert not old.exists()
    assert (home / "flags.json.taken-over").read_text() == copy
    judge(data, [1], "ordinary")
    old.write_text(copy)  # as after a crash between storing and renaming
    adopt_flags(ledger_path(), "Ana")
    assert np.flatnonzero(read_judgements(data).outlier).tolist() == [3, 11]
    old.write_text('{"format": "something else"}')
    with pytest.raises(MEAGraphError, match=r"flags\.json.*Move it away"):
        adopt_flags(ledger_path(), "Ana")
    assert old.exists()


def test_files_that_are_not_ours(data: AtomicDataset, home: Path) -> None:
    """Refused with the reason, and left as they are."""
    home.mkdir()
    path = ledger_path()

    def refused(word: str) -> None:
        content = path.read_bytes()
        for act in (lambda: read_judgements(data), lambda: judge(data, [0], "outlier")):
            with pytest.raises(MEAGraphError, match=word):
                act()
        assert path.read_bytes() == content
        path.unlink()

    path.write_text("Dear diary, this is no database at all, but it is long enough for a header. " * 20)
    refused("not a database of judgements")
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE recipes (name TEXT)")
    refused("not one of MEAViz's")
    judge(data, [0], "outlier")
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA user_version = 99")
    refused("newer version")
    judge(data, np.arange(13), "outlier")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(MEAGraphError, match=r"damaged|cannot be used"):
        judge(data, [0], "outlier")


def test_an_empty_file_is_a_ledger_to_be(data: AtomicDataset, home: Path) -> None:
    """What a server leaves that was killed before its first transaction ended."""
    home.mkdir()
    ledger_path().touch()
    assert not read_judgements(data).outlier.any()
    judge(data, [4], "outlier")
    assert read_judgements(data).outlier[4]


def test_a_ledger_that_another_writes_is_waited_for_and_then_said(
    data: AtomicDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(data, [0], "outlier")
    monkeypatch.setattr(ledger, "PATIENCE", 0.05)
    other = sqlite3.connect(ledger_path(), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert read_judgements(data).outlier[0]  # reading goes on
    with pytest.raises(MEAGraphError, match="somebody else"):
        judge(data, [1], "outlier")
    other.execute("ROLLBACK")
    other.close()
    judge(data, [1], "outlier")
    assert read_judgements(data).outlier.sum() == 2


def test_a_disk_that_cannot_be_written(data: AtomicDataset, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judgements are read, and a new one is refused with the reason. (A superuser may write anywhere.)"""
    judge(data, [0], "outlier")
    real = sqlite3.connect

    def read_only(path: str | Path, **options: object) -> sqlite3.Connection:
        return real(f"file:{ledger_path()}?mode=ro", **{**options, "uri": True})

    monkeypatch.setattr(ledger.sqlite3, "connect", read_only)
    assert read_judgements(data).outlier[0]
    with pytest.raises(MEAGraphError, match="cannot be written"):
        judge(data, [1], "outlier")


def test_a_folder_that_cannot_be_made(data: AtomicDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(MEAGraphError, match="MEAVIZ_DATA_HOME"):
        judge(data, [1], "outlier")


@pytest.mark.parametrize(("verdict", "author"), [("guilty", "Ana"), ("outlier", "  ")])
def test_what_makes_no_judgement(data: AtomicDataset, verdict: str, author: str) -> None:
    with pytest.raises(MEAGraphError):
        judge(data, [0], verdict, author)


def test_many_at_once(home: Path) -> None:
    """100,000 of a million environments: all found again, and none else."""
    sizes = np.full(25_000, 40)
    keys = [f"{number:032x}" for number in range(len(sizes))]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.sort(np.random.default_rng(0).choice(offsets[-1], 100_000, replace=False))
    structure = np.repeat(np.arange(len(sizes)), sizes)
    nothing = np.empty(0, dtype=np.int64)
    size = int(offsets[-1])
    empty = Judgements(size, tuple(keys), np.arange(size), offsets[:-1], sizes, 0, {}, nothing, nothing)
    add_judgement(
        ledger_path(), keys, structure[rows], rows - offsets[structure[rows]], verdict="outlier", author="Ana"
    )
    np.testing.assert_array_equal(np.flatnonzero(refresh(empty).outlier), rows)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE acts RENAME TO old; CREATE VIEW acts AS "
        "WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT old.* FROM old, n",
        "CREATE TRIGGER t AFTER INSERT ON acts BEGIN DELETE FROM acts; END",
        "DROP TABLE judged",
        "UPDATE judged SET act = 'x'",
    ],
)
def test_a_ledger_that_does_more_than_hold_is_refused(data: AtomicDataset, statement: str) -> None:
    judge(data, [0], "outlier")
    base = sqlite3.connect(ledger_path())
    base.executescript(statement)
    base.close()
    with pytest.raises(MEAGraphError, match="is damaged"):
        read_judgements(data)
    if "UPDATE" not in statement:
        with pytest.raises(MEAGraphError, match="is damaged"):
            judge(data, [1], "outlier")


def test_numbers_of_acts_take_no_memory(data: AtomicDataset) -> None:
    judge(data, [0, 2], "outlier")
    base = sqlite3.connect(ledger_path())
    base.executescript(f"UPDATE acts SET id = {2**62}; UPDATE judged SET act = {2**62}")
    base.close()
    judge(data, [2], "ordinary", "Bob")
    found = read_judgements(data)
    assert np.flatnonzero(found.outlier).tolist() == [0]
    assert np.flatnonzero(found.disputed).tolist() == [2]
    assert [act.author for act in found.of(2)] == ["Bob", "Ana"]


def test_who_looks_at_equal_content_shares_what_is_equal_in_it() -> None:
    """Of all environments, which each session of a server would hold; judgements themselves are not shared."""
    first, second, other = (read_judgements(dataset_of(places)) for places in ((0, 1, 0), (0, 1, 0), (0, 1, 2)))
    assert first.twin is second.twin
    assert first.twin.tolist() == [0, 1, 2, 3, 0]
    assert other.twin.tolist() == [0, 1, 2, 3, 4, 5]
    known = weakref.ref(first.twin)
    del first, second
    gc.collect()
    assert known() is None
