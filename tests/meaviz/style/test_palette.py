"""Colours: told apart by any eyes, counted right, packed right, and readable on either theme."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest

from meaviz.style.palette import DARK, LIGHT, NEUTRAL, SEQUENTIAL, Colouring, Theme, pack, palette, rgb24, theme

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB
VISION = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
RGB_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colours):
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = rgb @ RGB_TO_XYZ.T / RGB_TO_XYZ.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def closest(colours, vision):
    """Smallest CIELAB distance between two of the colours, as seen with this vision."""
    seen = lab(np.clip(linear(colours) @ VISION[vision].T, 0, 1))
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    return distance[np.triu_indices(len(seen), 1)].min()


def contrast(one, other):
    """Contrast ratio of WCAG 2."""
    light, dark = sorted(linear([one, other]) @ RGB_TO_XYZ[1], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_lab_of_known_colours():
    np.testing.assert_allclose(lab(linear(["#FFFFFF", "#FF0000"])), [[100, 0, 0], [53.24, 80.09, 67.20]], atol=0.05)


@pytest.mark.parametrize(
    ("vision", "first_12", "with_grey", "first_24"),
    [("normal", 25, 25, 18), ("deuteranopia", 14, 10, 11), ("protanopia", 14, 14, 11)],
)
def test_first_colours_are_told_apart(vision, first_12, with_grey, first_24):
    assert closest(palette(12), vision) > first_12
    assert closest((*palette(12), NEUTRAL), vision) > with_grey
    assert closest(palette(24), vision) > first_24


def test_long_palettes_extend_short_ones_and_never_repeat():
    long = palette(5000)
    assert len(set(long)) == 5000
    for n in (0, 1, 2, 8, 24, 25, 64, 1000):
        assert palette(n) == long[:n]
    assert closest(palette(128), "normal") > 10
    neighbours = lab(linear(long))
    assert np.linalg.norm(np.diff(neighbours, axis=0), axis=1).min() > 12
    assert np.linalg.norm(lab(linear(long))[:, 1:], axis=1).min() > 20  # chroma: none could be taken for noise
    with pytest.raises(ValueError, match="0 or more, got -1"):
        palette(-1)


@pytest.mark.parametrize("appearance", [LIGHT, DARK])
def test_text_and_points_are_readable(appearance: Theme):
    for surface in (appearance.surface, appearance.raised):
        assert contrast(appearance.text, surface) > 12
        assert contrast(appearance.muted, surface) > 4.5  # WCAG AA
        for state in (appearance.accent, appearance.good, appearance.warning, appearance.bad):
            assert contrast(state, surface) > 4.5
    for colour in (*palette(12), SEQUENTIAL[0], SEQUENTIAL[-1], NEUTRAL):
        assert contrast(colour, appearance.surface) > 1.25
    assert theme(dark=appearance is DARK) is appearance


def test_packing():
    assert sys.byteorder == "little"
    packed = pack(["#0072B2", "#FFFFFF"])
    assert packed.dtype == np.uint32
    assert packed.view(np.uint8).reshape(2, 4).tolist() == [[0x00, 0x72, 0xB2, 255], [255, 255, 255, 255]]
    assert rgb24(packed).tolist() == [0x0072B2, 0xFFFFFF]
    assert rgb24(packed).dtype == np.uint32


def test_categorical_by_hand():
    colouring = Colouring.categorical([2, -1, 0, 2, 2, -1, 0, 2], ["liquid", "gas", "solid"], label="Phase", noise="?")
    first = palette(3)
    assert [tuple(entry) for entry in colouring.entries] == [
        ("solid", first[2], 4),
        ("liquid", first[0], 2),
        ("?", NEUTRAL, 2),
    ]  # by count, "gas" does not occur, noise last
    assert [f"#{value:06X}" for value in rgb24(colouring.rgba)] == [
        *(first[2], NEUTRAL, first[0], first[2], first[2], NEUTRAL, first[0], first[2])
    ]
    assert (colouring.kind, colouring.label) == ("categorical", "Phase")


def test_noise_comes_last_however_large():
    colouring = Colouring.categorical(np.array([-1] * 9 + [0]), ["one"])
    assert [entry.name for entry in colouring.entries] == ["one", "Unclustered"]
    assert Colouring.categorical(np.zeros(0, dtype=int), []).entries == ()
    assert Colouring.categorical([-1, -1], []).rgba.tolist() == pack([NEUTRAL, NEUTRAL]).tolist()


@pytest.mark.parametrize("codes", [[0, 3], [-2, 0]])
def test_categorical_refuses_codes_without_a_name(codes):
    with pytest.raises(ValueError, match="codes from -1 to 2 for 3 names"):
        Colouring.categorical(codes, ["a", "b", "c"])


def rank(colouring):
    """Index into the sequential palette, -1 for neutral."""
    index = {value: i for i, value in enumerate(pack(SEQUENTIAL).tolist())}
    return [index.get(value, -1) for value in colouring.rgba.tolist()]


def test_continuous_is_linear_and_robust():
    values = np.append(np.arange(1001.0), [1e9])  # one wild value must not squeeze the rest
    colouring = Colouring.continuous(values, label="Energy", unit="eV")
    assert (colouring.low, colouring.high) == pytest.approx((10.01, 990.99))
    ranks = rank(colouring)
    assert ranks[0] == 0
    assert ranks[-1] == ranks[1000] == len(SEQUENTIAL) - 1
    assert ranks[500] == int((500 - 10.01) / (990.99 - 10.01) * len(SEQUENTIAL))
    assert all(a <= b for a, b in pairwise(ranks))
    assert (colouring.kind, colouring.unit, colouring.palette, colouring.missing) == (
        "continuous",
        "eV",
        SEQUENTIAL,
        0,
    )


def test_values_that_are_missing_are_grey_and_counted():
    values = np.array([0.0, np.nan, 1.0, np.inf, 2.0, -np.inf])
    colouring = Colouring.continuous(values, label="E", unit="eV")
    assert [r == -1 for r in rank(colouring)] == [False, True, False, True, False, True]
    assert rgb24(colouring.rgba)[1] == int(NEUTRAL[1:], 16)
    assert colouring.missing == 3
    nothing = Colouring.continuous(np.full(4, np.nan), label="E", unit="eV")
    assert rank(nothing) == [-1] * 4
    assert np.isnan(nothing.low)
    assert nothing.missing == 4


def test_logarithmic_scale():
    values = np.array([0.0, -1.0, *np.repeat([1e-4, 1e-2, 1.0], 50)])
    colouring = Colouring.continuous(values, label="Force", unit="eV/Å", log=True)
    ranks = rank(colouring)
    assert ranks[:2] == [-1, -1]
    assert set(ranks[2:52]) == {0}
    assert set(ranks[52:102]) == {len(SEQUENTIAL) // 2}
    assert set(ranks[102:]) == {len(SEQUENTIAL) - 1}
    assert colouring.missing == 2


@pytest.mark.parametrize("log", [False, True])
def test_constant_values_get_one_colour(log):
    colouring = Colouring.continuous(np.full(5, 3.5), label="E", unit="eV", log=log)
    assert (colouring.low, colouring.high) == (3.5, 3.5)
    assert set(rank(colouring)) == {len(SEQUENTIAL) // 2}


def test_mostly_constant_values_fall_back_to_the_extremes():
    values = np.zeros(1000)
    values[:3] = [1, 2, 4]
    colouring = Colouring.continuous(values, label="E", unit="eV")
    assert (colouring.low, colouring.high) == (0, 4)
