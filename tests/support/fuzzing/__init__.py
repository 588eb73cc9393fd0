"""Damaged input: what is mutated, how, and what the readers make of it."""
