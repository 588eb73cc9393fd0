"""Steps 2 to 4: descriptors, model, map."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource

from meagraph.descriptors import KINDS
from meagraph.errors import MEAGraphError
from meagraph.latent.clustering import METHODS as CLUSTERINGS
from meagraph.model.results import best_epoch
from meagraph.model.settings import DEVICES
from meagraph.pipeline.config import AGREEMENT, DIRECT
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
        usual = self.session.data.next_config.descriptors
        self.descriptor = pmui.Select(
            label="Descriptor",
            options={kind.label: name for name, kind in KINDS.items()},
            value=usual.method,
            size="small",
            **COMPACT,
        )
        self.r_cut = pmui.FloatInput(label="Cutoff / Å", value=usual.r_cut, start=1.5, end=12, step=0.5, **NUMBER)
        self.n_max = pmui.IntInput(label="n max", value=usual.n_max, start=1, end=16, **NUMBER)
        self.l_max = pmui.IntInput(label="l max", value=usual.l_max, start=0, end=16, **NUMBER)
        self.source = pmui.TextInput(size="small", **COMPACT)
        basis = pn.Column(self.r_cut, pn.Row(self.n_max, self.l_max, margin=0), margin=0)

        def show_settings(*events: Any) -> None:
            kind = KINDS[self.descriptor.value]
            self.source.param.update(label=kind.source[:1].upper() + kind.source[1:], visible=bool(kind.source))
            self.n_max.visible, basis.visible = "n_max" in kind.settings, bool(kind.settings)

        show_settings()
        self.descriptor.param.watch(show_settings, "value")
        compute = button("Compute")
        compute.on_click(lambda event: self.compute())
        self.context = pmui.Checkbox(
            label="Context for clusters and map", size="small", value=self.session.data.next_config.context, **COMPACT
        )
        self.lengths = caption(margin=0)
        self.session.data.param.watch(self._follow, "next_config")
        self.session.data.param.watch(self._show_lengths, "descriptors")
        self._show_lengths()
        return [self.descriptor, self.source, basis, self.context, self.lengths, compute]

    def _follow(self, event: Any) -> None:
        """Show settings that came from elsewhere: undo, or a project."""
        settings = event.new.descriptors
        self.descriptor.value = settings.method
        self.source.param.update(value=settings.source, value_input=settings.source)
        self.r_cut.value, self.n_max.value, self.l_max.value = settings.r_cut, settings.n_max, settings.l_max
        self.context.value = event.new.context

    def _show_lengths(self, *events: object) -> None:
        """Cutoff and shell of the context, which follow from the dataset."""
        found = self.session.data.descriptors
        frame = None if found is None else found.frame
        if found is None or frame is None:
            self.lengths.object = ""
            return
        within = f"within {frame.cutoff:.1f} Å, " if found.method == "soap" else ""
        self.lengths.object = f"{frame.columns} columns {within}first shell {frame.shell:.2f} Å"

    def summary(self) -> str:
        """Method and width."""
        found = self.session.data.descriptors
        if found is None:
            return ""
        context = "" if found.frame is None else f" + {found.frame.columns}"
        return f"{found.method.upper()}, {found.own.shape[1]}{context} values"

    def _source(self) -> str:
        """What the descriptor needs, "" for nothing. Raises MEAGraphError for a file outside the root."""
        typed, wanted = self.source.value_input.strip(), KINDS[self.descriptor.value].source
        if typed and wanted.startswith("the path"):
            [typed] = self.session.places.openable([typed])
        return typed if wanted else ""

    def compute(self) -> None:
        """Compute the descriptors with these settings, then all after them."""
        data = self.session.data
        try:
            settings = replace(
                data.next_config.descriptors,
                method=self.descriptor.value,
                source=self._source(),
                r_cut=self.r_cut.value,
                n_max=self.n_max.value,
                l_max=self.l_max.value,
            )
        except MEAGraphError as error:
            self.session.activity.problem = (self.step, str(error))
            return
        data.next_config = replace(data.next_config, descriptors=settings, context=self.context.value)
        self.workflow.run(self.step)


class ModelStep(Step):
    """Train a model, load one, save one."""

    step = "model"
    title = "Model"

    def settings(self) -> list[pn.viewable.Viewable]:
        """Training settings, the loss, checkpoints."""
        config = self.session.data.next_config
        self.epochs = pmui.IntInput(label="Epochs", value=config.training.epochs, start=1, end=10_000, **NUMBER)
        self.seed = pmui.IntInput(label="Seed", value=config.seed, start=0, **NUMBER)
        self.threshold = pmui.FloatInput(
            label="Similarity of an edge",
            value=round(config.graph.lower, 4),
            start=0.0,
            end=0.9999,
            step=0.01,
            **NUMBER,
        )
        self.neighbours = pmui.IntInput(
            label="Edges at most", value=config.graph.neighbours, start=1, end=256, **NUMBER
        )
        self.patience = pmui.IntInput(label="Patience", value=config.training.patience, start=0, end=1000, **NUMBER)
        self.latent = pmui.Select(
            label="Latent space",
            options={"Neighbours agree": AGREEMENT, "Descriptors directly": DIRECT},
            value=config.latent,
            size="small",
            **COMPACT,
        )
        self.device = pmui.Select(label="Device", options=list(DEVICES), value="auto", size="small", **COMPACT)
        self.path = pmui.TextInput(label="Model file", placeholder="niobium.safetensors", size="small", **COMPACT)
        self.replace = pmui.Checkbox(label="Replace an earlier model", size="small", value=False, **COMPACT)
        train = button("Train")
        load, tune, save = (button(label, variant="outlined") for label in ("Load", "Fine-tune", "Save"))
        train.on_click(lambda event: self.train())
        load.on_click(lambda event: self.load(fine_tune=False))
        tune.on_click(lambda event: self.load(fine_tune=True))
        save.on_click(lambda event: self.save())
        self.saved = caption(margin=0, visible=False)
        self.session.data.param.watch(self._follow, "next_config")
        return [
            self.latent,
            pn.Row(self.epochs, self.patience, margin=0),
            pn.Row(self.seed, self.device, margin=0),
            pn.Row(self.threshold, self.neighbours, margin=0),
            train,
            self.path,
            pn.Row(load, tune, save, margin=0),
            self.replace,
            self.saved,
        ]

    def below(self) -> list[pn.viewable.Viewable]:
        """The loss curve; outside the card, since Bokeh cannot lay out a chart that a folded card does not render."""
        self._points = ColumnDataSource({"epoch": [], "loss": [], "validation": []})
        self._loss = loss_figure(self._points)
        style_curve(self._loss, theme(self.session.appearance.dark))
        self._curve = pn.Column(
            pn.pane.Bokeh(self._loss, height=150, sizing_mode="stretch_width"),
            visible=False,
            margin=(4, 8),
            sizing_mode="stretch_width",
        )
        self.session.data.param.watch(held(self._show_loss), "history")
        self.session.activity.param.watch(held(self._show_loss), "running")
        self.session.appearance.param.watch(held(lambda event: style_curve(self._loss, theme(event.new))), "dark")
        self._card.param.watch(held(self._show_loss), "collapsed")
        return [self._curve]

    def summary(self) -> str:
        """Where the model comes from and how well it reconstructs."""
        learned = self.session.data.learned
        if learned is None:
            return ""
        if not learned.history:
            return "loaded"
        return f"loss {best_epoch(learned.history).judged:.3g}"

    def _follow(self, event: Any) -> None:
        """Show settings that came from elsewhere: undo, a project, or an earlier training."""
        config = event.new
        self.epochs.value, self.patience.value = config.training.epochs, config.training.patience
        self.threshold.value, self.neighbours.value = round(config.graph.lower, 4), config.graph.neighbours
        self.seed.value, self.latent.value = config.seed, config.latent

    def _configure(self) -> bool:
        config = self.session.data.next_config
        try:
            self.session.data.next_config = replace(
                config,
                training=replace(config.training, epochs=self.epochs.value, patience=self.patience.value),
                graph=replace(config.graph, lower=self.threshold.value, neighbours=self.neighbours.value),
                seed=self.seed.value,
                latent=self.latent.value,
            )
        except MEAGraphError as error:
            self.session.activity.problem = (self.step, str(error))
            return False
        return True

    def train(self) -> None:
        """Train with these settings, then make the map."""
        if self._configure():
            self.workflow.run(self.step, device=self.device.value)

    def load(self, *, fine_tune: bool) -> None:
        """Load the model that is named, and train it further if ``fine_tune``."""
        path = self.path.value_input.strip()
        if not path:
            self.session.activity.problem = (self.step, "Name the model file to load.")
            return
        try:
            [path] = self.session.places.openable([path])
        except MEAGraphError as error:
            self.session.activity.problem = (self.step, str(error))
            return
        if self._configure():
            self.workflow.run(self.step, model_path=path, fine_tune=fine_tune, device=self.device.value)

    def save(self) -> None:
        """Write the model to the file that is named."""
        try:
            written = self.workflow.save_model(self.path.value_input, overwrite=self.replace.value)
        except MEAGraphError as error:
            self.session.activity.problem = (self.step, str(error))
            return
        self.saved.object = f"Saved {written}"
        self.saved.visible = True
        self.replace.value = False  # asked for once

    def _show_loss(self, *events: object) -> None:
        history, training = self.session.data.history, self.session.activity.running == self.step
        if len(history) != len(self._points.data["epoch"]) or training:
            self._points.data = {
                "epoch": [record.epoch for record in history],
                "loss": [record.loss for record in history],
                "validation": [math.nan if record.validation is None else record.validation for record in history],
            }
        self._curve.visible = bool(history) and (training or not self._card.collapsed)


class MapStep(Step):
    """Pooling, clusters and projection."""

    step = "map"
    title = "Map"

    def settings(self) -> list[pn.viewable.Viewable]:
        """Pooling rate and clustering."""
        config = self.session.data.next_config
        self.rate = pmui.FloatSlider(
            label="Pooling rate",
            value=config.pooling_rate,
            start=0.0,
            end=0.99,
            step=0.01,
            size="small",
            **COMPACT,
        )
        self.rate.label = f"Pooling rate: {self.rate.value:.2f}"
        self.rate.param.watch(lambda event: setattr(self.rate, "label", f"Pooling rate: {event.new:.2f}"), "value")
        self.method = pmui.Select(
            label="Clusters",
            options=list(CLUSTERINGS),
            value=config.clustering.method,
            size="small",
            **COMPACT,
        )
        method = config.clustering.method
        self.resolution = pmui.FloatInput(
            label="Resolution",
            value=config.clustering.resolution,
            start=0.001,
            end=10,
            step=0.01,
            visible=method == "leiden",
            **NUMBER,
        )
        fewest = config.clustering.min_cluster_size
        self.size = pmui.IntInput(label="Fewest environments", value=fewest, start=2, end=100_000, **NUMBER)
        self.samples = pmui.IntInput(
            label="Smoothing", value=config.clustering.min_samples, start=1, end=1000, **NUMBER
        )
        update = button("Update map")
        update.on_click(lambda event: self.update())
        by_density = pn.Row(self.size, self.samples, margin=0, visible=method == "hdbscan")

        def show_settings(event: Any) -> None:
            self.resolution.visible = event.new == "leiden"
            by_density.visible = event.new == "hdbscan"

        def follow(event: Any) -> None:  # undo, a project, or the tab Pooling rate
            clustering = event.new.clustering
            self.rate.value, self.method.value = event.new.pooling_rate, clustering.method
            self.resolution.value = clustering.resolution
            self.size.value, self.samples.value = clustering.min_cluster_size, clustering.min_samples

        self.method.param.watch(show_settings, "value")
        self.session.data.param.watch(follow, "next_config")
        return [self.rate, self.method, self.resolution, by_density, update]

    def summary(self) -> str:
        """Number of clusters."""
        survey = self.session.data.survey
        count = 0 if survey is None else survey.clusters.n_clusters
        return "" if survey is None else f"{count:,} cluster{'' if count == 1 else 's'}"

    def update(self) -> None:
        """Make the map with these settings."""
        data = self.session.data
        settings: dict[str, Any] = {
            "method": self.method.value,
            "clusters": None,  # another map begins at its own level
            "level": None,
            "resolution": self.resolution.value,
            "min_cluster_size": self.size.value,
            "min_samples": self.samples.value,
        }
        try:
            clustering = replace(data.next_config.clustering, **settings)
        except MEAGraphError as error:
            self.session.activity.problem = (self.step, str(error))
            return
        data.next_config = data.config_of_next_map(pooling_rate=self.rate.value, clustering=clustering)
        self.workflow.run(self.step)
