"""The map with its rows of settings."""
