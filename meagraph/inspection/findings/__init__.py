"""What a careful person finds in a dataset as soon as it is read: facts, distributions, and what is odd."""

from meagraph.inspection.findings.examine import examine, examine_labels
from meagraph.inspection.findings.finding import SEVERITIES, Distribution, Finding, Findings, Pair, Severity

__all__ = [
    "SEVERITIES",
    "Distribution",
    "Finding",
    "Findings",
    "Pair",
    "Severity",
    "examine",
    "examine_labels",
]
