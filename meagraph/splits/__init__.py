"""Training, validation and test, or folds, without near duplicates on two sides."""

from meagraph.splits.making import split_structures
from meagraph.splits.split import Split, SplitConfig

__all__ = ["Split", "SplitConfig", "split_structures"]
