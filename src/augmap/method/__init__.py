"""The method: t-SimCNE, from augmented views to positions."""
