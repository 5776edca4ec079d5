"""Load tests: what ktlsserve does under load, and what other servers do under the same."""
