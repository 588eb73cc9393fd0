"""The 3D view with its tools."""
