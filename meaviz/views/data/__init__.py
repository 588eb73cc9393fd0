"""The tab Data: what a careful look finds before anything is computed."""
