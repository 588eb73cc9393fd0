"""Which environments look unlike the rest or carry suspicious labels, and why: start reading at scoring."""

from meagraph.outliers.calibration import robust_deviation, tail_rarity
from meagraph.outliers.explaining import Explanation, Fact, Reference, explain, ordinary_reference
from meagraph.outliers.families import Family
from meagraph.outliers.handed import handed
from meagraph.outliers.novelty import linked_environments
from meagraph.outliers.predicted import joined, prediction_signals
from meagraph.outliers.scoring import score_outliers
from meagraph.outliers.signals import ALARM, Outliers, Signal, places

__all__ = [
    "ALARM",
    "Explanation",
    "Fact",
    "Family",
    "Outliers",
    "Reference",
    "Signal",
    "explain",
    "handed",
    "joined",
    "linked_environments",
    "ordinary_reference",
    "places",
    "prediction_signals",
    "robust_deviation",
    "score_outliers",
    "tail_rarity",
]
