"""Figures for papers: columns of journals, text as text, colours for any eyes, the same bytes for the same input."""
