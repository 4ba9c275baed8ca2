"""The explorer: a map's folder becomes a page on which a person walks around."""
