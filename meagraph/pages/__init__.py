"""One page to show others: the map, clusters and structures of an analysis in a file that opens without anything."""
