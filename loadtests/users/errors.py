"""What can be wrong before a load test starts; a wrong answer of a server is no error but a failure that is counted."""

from __future__ import annotations


class LoadTestError(Exception):
    """What was asked for can't be done; the text says what to do, for the person who asked. Exit status 2."""
