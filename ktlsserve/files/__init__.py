"""Files beneath the root: safe opening, reference counts, media types."""
