"""What a map of augmap is compared with, each by its own name; :func:`augmap.baselines.baseline.baseline` makes them."""
