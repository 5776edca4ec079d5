"""What large downloads do to the latency of small requests: ``python -m loadtests.fairness``."""
