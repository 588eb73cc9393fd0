"""The map of environments: figure, layers, gestures, legend, and the picture to save."""
