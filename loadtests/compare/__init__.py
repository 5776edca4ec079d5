"""ktlsserve against QUIC and nginx: one client for all, in a network of its own, ranked by processor time.

``python -m loadtests.compare`` measures and reports; docs/quic-comparison.md says how to read it.
"""
