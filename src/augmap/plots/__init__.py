"""ImageMap -> Figure: :func:`augmap.plots.figure.plot` and its building blocks. Imports nothing by itself."""
