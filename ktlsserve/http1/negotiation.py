"""Choosing among files that were compressed beforehand (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence

SUFFIXES = {b"zstd": b".zst", b"br": b".br", b"gzip": b".gz"}
"""Content-coding → what the name of a file in it ends in."""

# One element of Accept-Encoding; weights have three decimals at most (section 12.4.2).
_ELEMENT = re.compile(
    rb"(?P<coding>[-!#$%&'*+.^_`|~0-9A-Za-z]+)"
    rb"(?:[ \t]*;[ \t]*[qQ]=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
_ALIASES = {b"x-gzip": b"gzip"}


def acceptable_codings(accept_encoding: bytes | None, offered: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return those of the ``offered`` codings that the client would rather have than the plain file, best first.

    Those that it likes equally keep the order of ``offered``. The plain file is the last resort, even where
    ``identity;q=0`` forbids it: bytes that a client may refuse are better than a 406 that it must. Without the field
    a client hasn't said that it can decompress anything, so it gets none (section 12.5.3 leaves that to the server).
    An element that isn't well-formed counts as not there.
    """
    if not accept_encoding:
        return ()
    weights = _weights(accept_encoding)
    others = weights.get(b"*", 0)
    # Plain is named seldom. Where it isn't, every coding that is acceptable is better.
    plain = weights.get(b"identity", 0)
    ranked = [(weights.get(coding, others), coding) for coding in offered]
    wanted = [(weight, coding) for weight, coding in ranked if weight and weight >= plain]
    return tuple(coding for _, coding in sorted(wanted, key=lambda pair: -pair[0]))


def _weights(accept_encoding: bytes) -> dict[bytes, int]:
    """Return each coding's weight in thousandths; of several weights for one coding the first counts."""
    weights: dict[bytes, int] = {}
    for text in accept_encoding.split(b","):
        element = _ELEMENT.fullmatch(text.strip(b" \t"))
        if element is not None:
            coding = element["coding"].lower()
            weights.setdefault(_ALIASES.get(coding, coding), _thousandths(element["weight"]))
    return weights


def _thousandths(weight: bytes | None) -> int:
    if weight is None:
        return 1000
    whole, _, decimals = weight.partition(b".")
    return int(whole) * 1000 + int(decimals.ljust(3, b"0"))
