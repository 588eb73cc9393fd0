"""What tests and benchmarks share: the dense oracle, made-up results, driving a browser, a pretended device."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # of the checkout
