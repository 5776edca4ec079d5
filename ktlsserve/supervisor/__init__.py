"""Fork, watch, reload and drain the workers."""
