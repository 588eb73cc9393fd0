"""Clusters to plans: rank the environments, share the budget, choose structures."""
