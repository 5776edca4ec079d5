"""What can go wrong while measuring; each says what to do, or is a reason that the report gives for a missing figure.

::

    BenchError
    ├── SetupError     nothing can be measured: exit status 2
    └── RunFailed      this run gave no figure; the others go on
"""


class BenchError(Exception):
    """The root of this package's errors."""


class SetupError(BenchError):
    """The benchmark can't start: an option is wrong, or a tool that everything needs is missing."""


class RunFailed(BenchError):
    """A server did not start, or a run gave wrong answers: there is no figure, and the reason is reported."""
