"""What idle connections cost: ``python -m loadtests.idle``."""
