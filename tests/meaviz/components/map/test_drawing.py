"""What a drawing sends to the browser; no browser."""

from __future__ import annotations

import numpy as np

from meaviz.components.map.drawing import Drawing
from meaviz.style.palette import LIGHT


def test_what_is_pale_already_is_not_sent_again():
    """Another level of the clusters once sent all points three times, twice for a plan that nobody wanted to see."""
    xy = np.arange(20, dtype=np.float32).reshape(10, 2)
    drawing = Drawing(xy, ("x", "y"), ticks=True, theme=LIGHT, floating=False)
    source = next(one.data_source for one in drawing.plot.renderers if "fill" in one.data_source.data)
    sent = []
    source.on_change("data", lambda name, old, new: sent.append(len(new["x"])))

    def alpha():
        order = np.argsort(source.data["x"])
        return np.asarray(source.data["fill"])[order, 3]

    opaque = alpha()
    drawing.prune(None)
    assert sent == []
    mask = np.arange(10) % 3 == 0
    drawing.prune(mask)
    assert sent == [10]
    np.testing.assert_array_equal(alpha() < opaque, mask)
    drawing.prune(mask.copy())
    assert sent == [10]
    drawing.prune(~mask)
    assert sent == [10, 10]
    np.testing.assert_array_equal(alpha() < opaque, ~mask)
    drawing.prune(None)
    assert sent == [10, 10, 10]
    np.testing.assert_array_equal(alpha(), opaque)
