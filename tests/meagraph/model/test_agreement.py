"""A latent space in which neighbouring atoms agree, on made contexts whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from meagraph.errors import Cancelled, MEAGraphError
from meagraph.model import agreement as module
from meagraph.model.agreement import Agreement, learn_agreement, read_directly
from meagraph.model.checkpoint import load_agreement, load_model, save_model
from meagraph.model.settings import ModelConfig
from meagraph.model.training import new_model

KINDS, EACH, WIDTH = 4, 150, 8


def made(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contexts (n, 8) of kinds that differ little in two columns and are noisy in the others; pairs within a kind."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(KINDS), EACH)
    context = rng.normal(size=(len(kind), WIDTH))
    context[:, :2] *= 0.1
    context[:, 0] += np.where(kind % 2, 0.7, -0.7)
    context[:, 1] += np.where(kind // 2, 0.7, -0.7)
    pairs = np.array([(i, j) for i in range(len(kind)) for j in rng.choice(np.flatnonzero(kind == kind[i]), 4)])
    return context.astype(np.float32), pairs[pairs[:, 0] != pairs[:, 1]], kind


def crossed(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two kinds of two heaps each, crosswise, so that no linear map tells them apart; noise in the other columns."""
    context, _, heap = made(seed)
    kind = (heap % 2) ^ (heap // 2)
    rng = np.random.default_rng(seed)
    pairs = np.array([(i, j) for i in range(len(kind)) for j in rng.choice(np.flatnonzero(kind == kind[i]), 4)])
    return context, pairs[pairs[:, 0] != pairs[:, 1]], kind


def same_kind(values: np.ndarray, kind: np.ndarray, count: int = 10) -> float:
    """Share of each row's nearest others that are of its kind."""
    away = np.linalg.norm(values[:, None] - values[None], axis=2)
    np.fill_diagonal(away, np.inf)
    return float((kind[np.argsort(away, axis=1)[:, :count]] == kind[:, None]).mean())


def test_what_neighbours_share_tells_kinds_apart() -> None:
    """Noise drowns the kinds in the context; in the linear map it counts little."""
    context, pairs, kind = made()
    found = learn_agreement(context, pairs, np.arange(len(context)))
    values = found(context)
    assert same_kind(context, kind) < 0.8
    assert same_kind(values[:, : found.kept.shape[1]], kind) > 0.99
    assert same_kind(values, kind) > 0.99


def test_training_tells_apart_what_no_linear_map_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was learned holds for environments that were not there."""
    context, pairs, kind = crossed()
    monkeypatch.setattr(module, "PASSES", 0)
    drawn = learn_agreement(context, pairs, np.arange(len(context)))
    monkeypatch.setattr(module, "PASSES", 80)  # there are few pairs
    trained = learn_agreement(context, pairs, np.arange(len(context)))
    other, _, other_kind = crossed(1)
    for rows, truth in ((context, kind), (other, other_kind)):
        before, after = (same_kind(found(rows)[:, -module.OUTPUTS :], truth) for found in (drawn, trained))
        assert before + 0.1 < after
        assert after > 0.9


def test_the_linear_map_by_hand() -> None:
    """Neighbours differ along the first column alone, by 2: its variance among them is 4, that of the floor a tenth."""
    context = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]], dtype=np.float32)
    found = learn_agreement(context, np.array([[0, 1], [1, 0], [2, 3], [3, 2]]), np.arange(4))
    seen = context @ found.linear
    scale = np.linalg.norm(seen[0] - seen[2]) / np.linalg.norm(seen[0] - seen[1])
    assert scale == pytest.approx(np.sqrt((4.0 + 0.1) / 0.1), rel=1e-5)
    assert np.sqrt((seen**2).mean()) == pytest.approx(1.0, rel=1e-5)


def test_neighbours_that_are_images_of_one_another_teach_nothing() -> None:
    context, pairs, _ = made()
    images = np.repeat(np.arange(len(context))[:, None], 2, axis=1)
    with_images = learn_agreement(context, np.concatenate([images, pairs]), np.arange(len(context)))
    np.testing.assert_array_equal(
        with_images(context), learn_agreement(context, pairs, np.arange(len(context)))(context)
    )


@pytest.fixture(scope="module")
def learned() -> tuple[np.ndarray, Agreement]:
    """A context and what is learned of it, for tests that only apply that."""
    context, pairs, _ = made()
    return context, learn_agreement(context, pairs, np.arange(len(context)))


def test_both_parts_are_of_one_size(learned: tuple[np.ndarray, Agreement]) -> None:
    context, found = learned
    values = found(context)
    for part in (values[:, : -module.OUTPUTS], values[:, -module.OUTPUTS :]):
        assert np.sqrt((part**2).sum(axis=1).mean()) == pytest.approx(1.0, rel=1e-3)
        np.testing.assert_allclose(part.mean(axis=0), 0.0, atol=1e-3)


def test_the_network_by_hand(learned: tuple[np.ndarray, Agreement]) -> None:
    """What is applied without PyTorch is what was trained: written out once more."""
    context, found = learned
    x = (context[:5].astype(float) - found.centre) @ found.linear

    def silu(value: np.ndarray) -> np.ndarray:
        return value / (1 + np.exp(-value))

    h = silu(x @ found.first + found.first_bias)
    h = h + silu(h @ found.second + found.second_bias)
    z = x @ found.through + h @ found.last + found.last_bias
    z = (z / np.linalg.norm(z, axis=1, keepdims=True) - found.output_centre) / found.output_scale
    np.testing.assert_allclose(found(context[:5])[:, -module.OUTPUTS :], z, rtol=1e-3, atol=1e-4)


def test_equal_input_and_seed_give_equal_values() -> None:
    context, pairs, _ = made()
    first, again, other = (learn_agreement(context, pairs, np.arange(len(context)), seed=s)(context) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_blocks_change_nothing(learned: tuple[np.ndarray, Agreement], monkeypatch: pytest.MonkeyPatch) -> None:
    context, found = learned
    whole = found(context)
    monkeypatch.setattr(module, "BLOCK", 37)
    np.testing.assert_allclose(found(context), whole, rtol=1e-4, atol=1e-5)
    assert found(context[:0]).shape == (0, whole.shape[1])


def test_without_pairs_or_without_variety_values_are_finite() -> None:
    context, _, _ = made()
    none = np.empty((0, 2), dtype=np.int32)
    assert np.isfinite(learn_agreement(context, none, np.arange(len(context)))(context)).all()
    alike = np.ones((6, 3), dtype=np.float32)
    assert np.isfinite(learn_agreement(alike, np.array([[0, 1], [1, 0]]), np.arange(1))(alike)).all()


def test_a_checkpoint_keeps_it(learned: tuple[np.ndarray, Agreement], tmp_path: Path) -> None:
    context, found = learned
    model = new_model(ModelConfig(4, (3,), 1))
    path = save_model(tmp_path / "with", model, found)
    again = load_agreement(path)
    assert again is not None
    np.testing.assert_array_equal(again(context), found(context))
    load_model(path)
    assert load_agreement(save_model(tmp_path / "without", model)) is None


def test_read_directly_keeps_all_distances_and_comes_back_from_a_file(tmp_path: Path) -> None:
    context, _, _ = made()
    found = read_directly(context + 3.0, np.arange(0, len(context), 2))
    path = save_model(tmp_path / "direct", new_model(ModelConfig(4, (3,), 1)), found)
    again = load_agreement(path)
    assert again is not None
    values = again(context + 3.0)
    assert values.shape == context.shape
    some = values[::2]
    assert np.sqrt(((some - some.mean(axis=0)) ** 2).sum(axis=1).mean()) == pytest.approx(1.0, rel=1e-5)
    before, after = (np.linalg.norm(rows[1:] - rows[0], axis=1) for rows in (context, values))
    np.testing.assert_allclose(after, before * after[0] / before[0], rtol=1e-4)


def test_weights_that_do_not_fit_are_refused(learned: tuple[np.ndarray, Agreement], tmp_path: Path) -> None:
    arrays = learned[1].arrays()
    with pytest.raises(KeyError):
        Agreement.from_arrays({name: array for name, array in arrays.items() if name != "last"})
    with pytest.raises(ValueError, match="fit"):
        Agreement.from_arrays({**arrays, "second": arrays["second"][:-1]})
    (tmp_path / "m.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(MEAGraphError, match="usable"):
        load_agreement(tmp_path / "m")


def test_it_can_be_cancelled() -> None:
    context, pairs, _ = made()

    def cancel(done: int, total: int, what: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        learn_agreement(context, pairs, np.arange(len(context)), progress=cancel)
