"""Descriptors and models in a project: records like all others, and weights as checkpoints beside them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import ScaledRows, column_norms
from meagraph.model.checkpoint import load_model
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.learning import checkpoint_of, store_model
from meaviz.projects.kinds import KeptDescriptors, KeptModel
from meaviz.projects.layout import MODELS, Layout, share_file
from meaviz.projects.snapshot import Snapshot


class Models:
    """Those of one project, each turned once into what its records hold."""

    parts = ("descriptors", "learned", "runs")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._descriptors: tuple[Descriptors, KeptDescriptors] | None = None
        self._kept: dict[str, tuple[Learned, KeptModel]] = {}  # by key

    def put(self, shot: Snapshot) -> dict[str, Any]:
        """Write them; return the parts of the state that name them."""
        assert shot.descriptors is not None
        known = {"dataset": shot.dataset}
        found = {"descriptors": {"record": self._layout.put(self._kept_descriptors(shot), known)}}
        learned = () if shot.learned is None else (shot.learned,)
        for name, models in (("learned", learned), ("runs", shot.runs)):
            kept = [self._put_model(one, shot.descriptors, known) for one in models]
            found[name] = [{"record": one} for one in kept if one]  # type: ignore[assignment]
        return found

    def get(
        self, parts: Mapping[str, Any], dataset: AtomicDataset
    ) -> tuple[Descriptors | None, Learned | None, tuple[Learned, ...]]:
        """Descriptors, model and all models that were trained. Raises ValueError, KeyError or TypeError."""
        if "descriptors" not in parts:
            return None, None, ()
        known = {"dataset": dataset}
        kept = self._layout.get(parts["descriptors"]["record"], known)
        if not isinstance(kept, KeptDescriptors):
            raise ValueError("its descriptors are none")
        descriptors = Descriptors(kept.values, kept.method, kept.parameters, kept.config, kept.frame, kept.pairs)
        if kept.norms.shape != (descriptors.own.shape[1],) or not (kept.norms > 0).all():
            raise ValueError("its descriptors have other columns than their norms")
        self._descriptors = (descriptors, kept)
        found = {
            one["record"]: self._learned(self._layout.get(one["record"], known), descriptors, kept.norms)
            for one in (*parts["learned"], *parts["runs"])
        }
        runs = tuple(found[one["record"]] for one in parts["runs"])
        return descriptors, next((found[one["record"]] for one in parts["learned"]), None), runs

    def _weights(self, key: str) -> Path:
        return self._layout.folder / MODELS / f"{key}.safetensors"

    def _kept_descriptors(self, shot: Snapshot) -> KeptDescriptors:
        one = shot.descriptors
        assert one is not None
        if self._descriptors is None or self._descriptors[0] is not one:
            points = None if shot.learned is None else shot.learned.points
            norms = points.norms if isinstance(points, ScaledRows) else column_norms(one.own)
            kept = KeptDescriptors(one.values, norms, one.method, one.parameters, one.config, one.frame, one.pairs)
            self._descriptors = (one, kept)
        return self._descriptors[1]

    def _put_model(self, one: Learned, descriptors: Descriptors, known: Mapping[str, Any]) -> str:
        """The name of a model's record; "" where its weights are nowhere any more."""
        weights = self._weights(one.key)
        if not weights.is_file():
            source = checkpoint_of(one)
            try:
                if source is None:
                    store_model(weights, one, descriptors)
                else:
                    share_file(source.with_suffix(".json"), weights.with_suffix(".json"))
                    share_file(source, weights)
            except MEAGraphError:  # of an earlier training that the cache has forgotten
                return ""
        if one.key not in self._kept or self._kept[one.key][0] is not one:
            kept = KeptModel(
                one.shape,
                one.history,
                one.condensed,
                one.key,
                one.source,
                one.config,
                one.agreement,
                one.context is not None,
            )
            self._kept[one.key] = (one, kept)
        return self._layout.put(self._kept[one.key][1], known)

    def _learned(self, kept: Any, descriptors: Descriptors, norms: np.ndarray) -> Learned:
        if not (isinstance(kept, KeptModel) and kept.key.isalnum()):
            raise ValueError("its model is none")
        weights = self._weights(kept.key)
        if not weights.is_file():
            raise ValueError(f"{weights.name} is not there")
        learned = Learned(
            shape=kept.shape,
            load=cache(lambda: load_model(weights)[0]),
            history=kept.history,
            points=ScaledRows(descriptors.own, norms),
            condensed=kept.condensed,
            key=kept.key,
            source=kept.source,
            config=kept.config,
            agreement=kept.agreement,
            context=descriptors.context if kept.with_context else None,
        )
        self._kept[kept.key] = (learned, kept)
        return learned
