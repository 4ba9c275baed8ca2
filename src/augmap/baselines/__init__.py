"""Maps by other methods, to compare ours with: :func:`augmap.baselines.baseline.baseline`."""
