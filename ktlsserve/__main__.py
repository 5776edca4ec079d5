"""``python -m ktlsserve`` is ``ktlsserve``."""

import sys

from ktlsserve.cli import main

if __name__ == "__main__":
    sys.exit(main())
