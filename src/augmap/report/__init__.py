"""Maps side by side: what was measured, what they look like and how they were made, in one HTML file."""
