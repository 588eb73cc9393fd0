"""Structures that repeat others, within a dataset and between parts of it."""

from meagraph.duplicates.leaks import Leaks, find_leaks
from meagraph.duplicates.prints import Prints, look_for_prints
from meagraph.duplicates.repeats import KINDS, Duplicates, find_duplicates

__all__ = ["KINDS", "Duplicates", "Leaks", "Prints", "find_duplicates", "find_leaks", "look_for_prints"]
