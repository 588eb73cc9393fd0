"""Browser components of the app's own: each a Python class and, beside it, its JavaScript."""
