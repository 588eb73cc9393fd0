"""MEAGraph: see what an atomistic dataset holds, and prune what repeats itself."""
