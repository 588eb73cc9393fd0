"""One file a thing that the user sees; here they are in their order."""

from __future__ import annotations

from meaviz.views.clusters.view import ClusterView
from meaviz.views.composition import CompositionView
from meaviz.views.cost import CostView
from meaviz.views.data.view import DataView
from meaviz.views.export import ExportView
from meaviz.views.gallery import GalleryView
from meaviz.views.histograms import HistogramsView
from meaviz.views.known import KnownView
from meaviz.views.map.view import MapView
from meaviz.views.models import RunsView
from meaviz.views.outliers.inbox import InboxView
from meaviz.views.pooling_rate import StabilityView
from meaviz.views.predictions.view import PredictionsView
from meaviz.views.project import ProjectMenu
from meaviz.views.pruning.view import PruningView
from meaviz.views.share import ShareView
from meaviz.views.steps.data import DataStep
from meaviz.views.steps.training import DescriptorStep, MapStep, ModelStep
from meaviz.views.structure.view import StructureView
from meaviz.views.table import TableView

STEP_VIEWS = (DataStep, DescriptorStep, ModelStep, MapStep)
TABS = (
    ("Data", DataView),
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
    ("Known", KnownView),
    ("Predictions", PredictionsView),
)

__all__ = ["STEP_VIEWS", "TABS", "MapView", "ProjectMenu", "ShareView", "StructureView"]
