"""The tab Pruning."""
