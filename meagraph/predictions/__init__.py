"""A second set of labels beside that of the dataset, and how far it errs."""

from meagraph.predictions.errors import Errors, compare_labels
from meagraph.predictions.reading import Predicted, predicted_by_family, predicted_by_file

__all__ = ["Errors", "Predicted", "compare_labels", "predicted_by_family", "predicted_by_file"]
