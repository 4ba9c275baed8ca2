"""ImageMap -> items to look at: duplicates, outliers, label disagreements, uncertain images, islands, clusters."""
