"""AtomicDataset's descriptors -> representatives with multiplicities -> the sparse similarity graph."""
