"""ImageMap -> items to look at: duplicates, outliers, disagreements, uncertain images, islands, clusters."""
