"""What can go wrong with a baseline; each message says what to do.

::

    BenchError
    └── BaselineError
        ├── Missing        it isn't installed, or this machine can't run it
        ├── NotStarted     it is, but doesn't answer; its log's last lines say why
        ├── Untrusted      its certificate isn't one that clients trust for its address
        └── FetchFailed    its packages couldn't be fetched or don't work here
"""

from loadtests.bench.errors import BenchError


class BaselineError(BenchError):
    """The root of this package's errors."""


class Missing(BaselineError):
    """A baseline that isn't installed, or that this machine can't run."""


class NotStarted(BaselineError):
    """A baseline that was started and doesn't answer as it should."""


class Untrusted(BaselineError):
    """A certificate that clients don't trust, or that is for another name."""


class FetchFailed(BaselineError):
    """Packages of another Debian release that couldn't be fetched, or that don't work here."""
