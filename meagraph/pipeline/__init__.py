"""The chain from files to a pruned dataset; the only room that caches. Start reading at ``run``."""
