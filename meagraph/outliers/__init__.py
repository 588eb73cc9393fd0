"""Which environments look unlike the rest or carry suspicious labels, and why: start reading at scoring."""

from meagraph.outliers.calibration import robust_deviation, tail_rarity
from meagraph.outliers.novelty import linked_environments
from meagraph.outliers.scoring import score_outliers
from meagraph.outliers.signals import ALARM, Outliers, Signal

__all__ = ["ALARM", "Outliers", "Signal", "linked_environments", "robust_deviation", "score_outliers", "tail_rarity"]
