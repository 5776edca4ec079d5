"""The table of the configuration about the admin endpoint; part of ``config``, which says how tables are made."""

from __future__ import annotations

from dataclasses import dataclass, field

from ktlsserve.address import Address
from ktlsserve.config.checks import ListenAddress, ListOf
from ktlsserve.config.table import setting


@dataclass(frozen=True, slots=True)
class Admin:
    """Health, metrics and a status page, over plain HTTP."""

    listen: tuple[Address, ...] = field(
        default=(),
        metadata=setting(
            ListOf(ListenAddress(), least=0),
            "HOST:PORT each, such as 127.0.0.1:9000; none: no such listener. Whoever reaches it may read all that it "
            "tells, without a password: give it an address that only those reach who may, the loopback for example.",
        ),
    )
