"""The tab Outliers: the inbox of candidates."""
