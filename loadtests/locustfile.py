"""The load tests: ``locust -f loadtests/locustfile.py HttpsUser --host https://...``, or ``Http3User``.

See docs/load-testing.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Locust looks for modules in the folder of this file, not in the one above it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loadtests.users.locust_users import Http3User, HttpsUser
from loadtests.users.wiring import wire

__all__ = ["Http3User", "HttpsUser"]

wire()
