"""``meaviz --desktop``: a native window around the app."""
