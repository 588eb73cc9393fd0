"""One file a thing that the user sees; here they are in their order."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

from panel.viewable import Viewer

from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.views.map.view import MapView
from meaviz.views.project import ProjectMenu
from meaviz.views.share import ShareView
from meaviz.views.steps.data import DataStep
from meaviz.views.steps.training import DescriptorStep, MapStep, ModelStep
from meaviz.views.structure.view import StructureView


class Later:
    """A view whose module is loaded when it is first made, lest the page waits for what no tab in sight needs."""

    _loading = threading.Lock()  # two threads that load modules which need each other may find half of them

    def __init__(self, module: str, name: str) -> None:
        """``name`` is that of the view in the ``module`` of this package."""
        self._module, self._name = module, name

    def load(self) -> Any:
        """The class of the view."""
        with self._loading:
            return vars(import_module(f"{__name__}.{self._module}"))[self._name]

    def __call__(self, session: Session, workflow: Workflow) -> Viewer:
        """The view."""
        view: Viewer = self.load()(session, workflow)
        return view


STEP_VIEWS = (DataStep, DescriptorStep, ModelStep, MapStep)
TABS = (
    ("Data", Later("data.view", "DataView")),
    ("Clusters", Later("clusters.view", "ClusterView")),
    ("Gallery", Later("gallery", "GalleryView")),
    ("Composition", Later("composition", "CompositionView")),
    ("Histograms", Later("histograms", "HistogramsView")),
    ("Table", Later("table", "TableView")),
    ("Outliers", Later("outliers.inbox", "InboxView")),
    ("Pruning", Later("pruning.view", "PruningView")),
    ("Cost", Later("cost", "CostView")),
    ("Models", Later("models", "RunsView")),
    ("Pooling rate", Later("pooling_rate", "StabilityView")),
    ("Export", Later("export", "ExportView")),
    ("Known", Later("known", "KnownView")),
    ("Predictions", Later("predictions.view", "PredictionsView")),
)


def load_tabs() -> None:
    """Load what the tabs need, one after the other, so that none waits for it when it is opened."""
    for _, view in TABS:
        view.load()


__all__ = ["STEP_VIEWS", "TABS", "MapView", "ProjectMenu", "ShareView", "StructureView", "load_tabs"]
