"""The tab Clusters."""
