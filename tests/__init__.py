"""The tests are a package, lest another one that is installed under this name be taken for it."""
