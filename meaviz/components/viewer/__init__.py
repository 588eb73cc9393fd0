"""The 3D view of environments, drawn by NGL in the browser."""
