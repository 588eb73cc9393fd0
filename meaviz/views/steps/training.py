"""Steps 2 to 4: descriptors, model, map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource

from meagraph.descriptors import KINDS
from meagraph.errors import MEAGraphError
from meagraph.latent.clustering import METHODS as CLUSTERINGS
from meagraph.model.results import best_epoch
from meagraph.model.settings import DEVICES
from meaviz.jobs.runner import held
from meaviz.style.page import NUMBER_ONLY, loss_figure, style_curve
from meaviz.style.palette import theme
from meaviz.style.text import caption
from meaviz.views.steps.step import COMPACT, Step, button

NUMBER = {"size": "small", "sizing_mode": "stretch_width", "margin": (4, 2), "sx": NUMBER_ONLY}


class DescriptorStep(Step):
    """Which descriptor, and its parameters."""

    step = "descriptors"
    title = "Descriptors"

    def settings(self) -> list[pn.viewable.Viewable]:
        """Cutoff and basis."""
        usual = self.session.config.descriptors
        self._descriptor = pmui.Select(
            label="Descriptor",
            options={kind.label: name for name, kind in KINDS.items()},
            value=usual.method,
            size="small",
            **COMPACT,
        )
        self._r_cut = pmui.FloatInput(label="Cutoff / Å", value=usual.r_cut, start=1.5, end=12, step=0.5, **NUMBER)
        self._n_max = pmui.IntInput(label="n max", value=usual.n_max, start=1, end=16, **NUMBER)
        self._l_max = pmui.IntInput(label="l max", value=usual.l_max, start=0, end=16, **NUMBER)
        self._source = pmui.TextInput(size="small", **COMPACT)
        basis = pn.Column(self._r_cut, pn.Row(self._n_max, self._l_max, margin=0), margin=0)

        def show_settings(*events: Any) -> None:
            kind = KINDS[self._descriptor.value]
            self._source.param.update(label=kind.source[:1].upper() + kind.source[1:], visible=bool(kind.source))
            self._n_max.visible, basis.visible = "n_max" in kind.settings, bool(kind.settings)

        show_settings()
        self._descriptor.param.watch(show_settings, "value")
        compute = button("Compute")
        compute.on_click(lambda event: self._compute())
        return [self._descriptor, self._source, basis, compute]

    def summary(self) -> str:
        """Method and width."""
        found = self.session.descriptors
        return "" if found is None else f"{found.method.upper()}, {found.values.shape[1]} values"

    def _compute(self) -> None:
        try:
            settings = replace(
                self.session.config.descriptors,
                method=self._descriptor.value,
                source=self._source.value_input.strip() if KINDS[self._descriptor.value].source else "",
                r_cut=self._r_cut.value,
                n_max=self._n_max.value,
                l_max=self._l_max.value,
            )
        except MEAGraphError as error:
            self.session.problem = (self.step, str(error))
            return
        self.session.config = replace(self.session.config, descriptors=settings)
        self.workflow.run(self.step)


class ModelStep(Step):
    """Train a model, load one, save one."""

    step = "model"
    title = "Model"

    def settings(self) -> list[pn.viewable.Viewable]:
        """Training settings, the loss, checkpoints."""
        config = self.session.config
        self._epochs = pmui.IntInput(label="Epochs", value=config.training.epochs, start=1, end=10_000, **NUMBER)
        self._seed = pmui.IntInput(label="Seed", value=config.seed, start=0, **NUMBER)
        self._threshold = pmui.FloatInput(
            label="Similarity of an edge",
            value=round(config.graph.lower, 4),
            start=0.0,
            end=0.9999,
            step=0.01,
            **NUMBER,
        )
        self._neighbours = pmui.IntInput(
            label="Edges at most", value=config.graph.neighbours, start=1, end=256, **NUMBER
        )
        self._patience = pmui.IntInput(label="Patience", value=config.training.patience, start=0, end=1000, **NUMBER)
        self._device = pmui.Select(label="Device", options=list(DEVICES), value="auto", size="small", **COMPACT)
        self._path = pmui.TextInput(label="Model file", placeholder="niobium.safetensors", size="small", **COMPACT)
        train, load, tune, save = (
            button("Train"),
            button("Load", variant="outlined"),
            button("Fine-tune", variant="outlined"),
            button("Save", variant="outlined"),
        )
        train.on_click(lambda event: self._train())
        load.on_click(lambda event: self._load(fine_tune=False))
        tune.on_click(lambda event: self._load(fine_tune=True))
        save.on_click(lambda event: self._save())
        self._saved = caption(margin=0, visible=False)
        return [
            pn.Row(self._epochs, self._patience, margin=0),
            pn.Row(self._seed, self._device, margin=0),
            pn.Row(self._threshold, self._neighbours, margin=0),
            train,
            self._path,
            pn.Row(load, tune, save, margin=0),
            self._saved,
        ]

    def below(self) -> list[pn.viewable.Viewable]:
        """The loss curve; outside the card, since Bokeh cannot lay out a chart that a folded card does not render."""
        self._points = ColumnDataSource({"epoch": [], "loss": [], "validation": []})
        self._loss = loss_figure(self._points)
        style_curve(self._loss, theme(self.session.dark))
        self._curve = pn.Column(
            pn.pane.Bokeh(self._loss, height=150, sizing_mode="stretch_width"),
            visible=False,
            margin=(4, 8),
            sizing_mode="stretch_width",
        )
        self.session.param.watch(held(self._show_loss), ["history", "running"])
        self.session.param.watch(held(lambda event: style_curve(self._loss, theme(event.new))), "dark")
        self._card.param.watch(held(self._show_loss), "collapsed")
        return [self._curve]

    def summary(self) -> str:
        """Where the model comes from and how well it reconstructs."""
        learned = self.session.learned
        if learned is None:
            return ""
        if not learned.history:
            return "loaded"
        return f"loss {best_epoch(learned.history).judged:.3g}"

    def _configure(self) -> bool:
        config = self.session.config
        try:
            self.session.config = replace(
                config,
                training=replace(config.training, epochs=self._epochs.value, patience=self._patience.value),
                graph=replace(config.graph, lower=self._threshold.value, neighbours=self._neighbours.value),
                seed=self._seed.value,
            )
        except MEAGraphError as error:
            self.session.problem = (self.step, str(error))
            return False
        return True

    def _train(self) -> None:
        if self._configure():
            self.workflow.run(self.step, device=self._device.value)

    def _load(self, *, fine_tune: bool) -> None:
        path = self._path.value_input.strip()
        if not path:
            self.session.problem = (self.step, "Name the model file to load.")
        elif self._configure():
            self.workflow.run(self.step, model_path=path, fine_tune=fine_tune, device=self._device.value)

    def _save(self) -> None:
        try:
            written = self.workflow.save_model(self._path.value_input)
        except MEAGraphError as error:
            self.session.problem = (self.step, str(error))
            return
        self._saved.object = f"Saved {written}"
        self._saved.visible = True

    def _show_loss(self, *events: object) -> None:
        history = self.session.history
        if len(history) != len(self._points.data["epoch"]) or self.session.running == self.step:
            self._points.data = {
                "epoch": [record.epoch for record in history],
                "loss": [record.loss for record in history],
                "validation": [np.nan if record.validation is None else record.validation for record in history],
            }
        self._curve.visible = bool(history) and (self.session.running == self.step or not self._card.collapsed)


class MapStep(Step):
    """Pooling, clusters and projection."""

    step = "map"
    title = "Map"

    def settings(self) -> list[pn.viewable.Viewable]:
        """Pooling rate and clustering."""
        config = self.session.config
        self._rate = pmui.FloatSlider(
            label="Pooling rate",
            value=config.pooling_rate,
            start=0.0,
            end=0.99,
            step=0.01,
            size="small",
            **COMPACT,
        )
        self._rate.label = f"Pooling rate: {self._rate.value:.2f}"
        self._rate.param.watch(lambda event: setattr(self._rate, "label", f"Pooling rate: {event.new:.2f}"), "value")
        self._method = pmui.Select(
            label="Clusters",
            options=list(CLUSTERINGS),
            value=config.clustering.method,
            size="small",
            **COMPACT,
        )
        method = config.clustering.method
        self._resolution = pmui.FloatInput(
            label="Resolution",
            value=config.clustering.resolution,
            start=0.001,
            end=10,
            step=0.01,
            visible=method == "leiden",
            **NUMBER,
        )
        self._size = pmui.IntInput(
            label="Fewest environments",
            value=config.clustering.min_cluster_size,
            start=2,
            end=100_000,
            **NUMBER,
        )
        self._samples = pmui.IntInput(
            label="Smoothing", value=config.clustering.min_samples, start=1, end=1000, **NUMBER
        )
        update = button("Update map")
        update.on_click(lambda event: self._update())
        by_density = pn.Row(self._size, self._samples, margin=0, visible=method == "hdbscan")

        def show_settings(event: Any) -> None:
            self._resolution.visible = event.new == "leiden"
            by_density.visible = event.new == "hdbscan"

        def follow(event: Any) -> None:
            self._rate.value, self._method.value = event.new.pooling_rate, event.new.clustering.method

        self._method.param.watch(show_settings, "value")
        self.session.param.watch(follow, "config")
        return [self._rate, self._method, self._resolution, by_density, update]

    def summary(self) -> str:
        """Number of clusters."""
        survey = self.session.survey
        count = 0 if survey is None else survey.clusters.n_clusters
        return "" if survey is None else f"{count:,} cluster{'' if count == 1 else 's'}"

    def _update(self) -> None:
        config = self.session.config
        settings: dict[str, Any] = {
            "method": self._method.value,
            "resolution": self._resolution.value,
            "min_cluster_size": self._size.value,
            "min_samples": self._samples.value,
        }
        try:
            clustering = replace(config.clustering, **settings)
        except MEAGraphError as error:
            self.session.problem = (self.step, str(error))
            return
        self.session.config = replace(config, pooling_rate=self._rate.value, clustering=clustering)
        self.workflow.run(self.step)
