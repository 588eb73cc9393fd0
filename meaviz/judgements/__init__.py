"""Judgements by hand: the file that keeps them, what counts, and what waits to be judged."""
