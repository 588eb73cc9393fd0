"""One file a thing that the user sees; here they are in their order."""

from __future__ import annotations

from meaviz.views.clusters import ClusterView
from meaviz.views.composition import CompositionView
from meaviz.views.cost import CostView
from meaviz.views.data import DataStep
from meaviz.views.export import ExportView
from meaviz.views.gallery import GalleryView
from meaviz.views.histograms import HistogramsView
from meaviz.views.inbox import InboxView
from meaviz.views.map import MapView
from meaviz.views.pruning import PruningView
from meaviz.views.runs import RunsView
from meaviz.views.stability import StabilityView
from meaviz.views.structure import StructureView
from meaviz.views.table import TableView
from meaviz.views.training import DescriptorStep, MapStep, ModelStep

STEP_VIEWS = (DataStep, DescriptorStep, ModelStep, MapStep)
TABS = (
    ("Clusters", ClusterView),
    ("Gallery", GalleryView),
    ("Composition", CompositionView),
    ("Histograms", HistogramsView),
    ("Table", TableView),
    ("Outliers", InboxView),
    ("Pruning", PruningView),
    ("Cost", CostView),
    ("Models", RunsView),
    ("Pooling rate", StabilityView),
    ("Export", ExportView),
)

__all__ = ["STEP_VIEWS", "TABS", "MapView", "StructureView"]
