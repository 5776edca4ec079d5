"""Which media type a client would rather have (RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_RANGE = re.compile(rb"%b/%b" % (_TOKEN, _TOKEN))
_PARAMETER = re.compile(rb'(?P<name>%b)=(?:(?P<token>%b)|"(?P<quoted>.*)")' % (_TOKEN, _TOKEN), re.DOTALL)
_WEIGHT = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
# What lies between separators that no quotes hold. Possessive: a client's field must not make this back-track.
_BETWEEN_COMMAS = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*+"?)++', re.DOTALL)
_SEMICOLON_AND_WHAT_FOLLOWS = re.compile(rb';(?:[^;"]|"(?:[^"\\]|\\.)*+"?)*+', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)

Parameters = frozenset[tuple[bytes, bytes]]


class MediaRange(NamedTuple):
    """One element of an Accept field, in lower case; ``weight`` is in thousandths."""

    name: bytes
    parameters: Parameters
    weight: int


def media_weight(accept: bytes | None, media_type: bytes, parameters: Parameters = frozenset()) -> int:
    """Return how much a client wants ``media_type`` with ``parameters``, from 0 (not at all) to 1000.

    Both are in lower case. The most specific range that matches decides, wherever it stands; without the field all is
    welcome. An element that isn't well-formed counts as not there.
    """
    if not accept:
        return 1000
    precedence, weight = -1, 0
    for media_range in _media_ranges(accept):
        found = _precedence(media_range, media_type, parameters)
        if found > precedence:
            precedence, weight = found, media_range.weight
    return weight


def _precedence(media_range: MediaRange, media_type: bytes, parameters: Parameters) -> int:
    """Return how specifically a range names a media type; -1 where it doesn't."""
    if media_range.name == media_type:
        return 2 + len(media_range.parameters) if media_range.parameters <= parameters else -1
    if media_range.parameters:
        return -1
    if media_range.name == media_type.partition(b"/")[0] + b"/*":
        return 1
    return 0 if media_range.name == b"*/*" else -1


def _media_ranges(accept: bytes) -> list[MediaRange]:
    elements = (_parse_element(element[0]) for element in _BETWEEN_COMMAS.finditer(accept))
    return [element for element in elements if element is not None]


def _parse_element(element: bytes) -> MediaRange | None:
    """Take one element apart; None where it isn't well-formed."""
    # With a semicolon in front of it, even nothing has a first part.
    name, *parts = (part[0][1:].strip(b" \t") for part in _SEMICOLON_AND_WHAT_FOLLOWS.finditer(b";" + element))
    if not _RANGE.fullmatch(name):
        return None
    parameters: set[tuple[bytes, bytes]] = set()
    for part in filter(None, parts):
        parameter = _PARAMETER.fullmatch(part)
        if parameter is None:
            return None
        key, value = parameter["name"].lower(), parameter["token"]
        if key == b"q":
            # What follows the weight was an extension once, and is ignored (section 12.5.1).
            return MediaRange(name.lower(), frozenset(parameters), _thousandths(value)) if _is_weight(value) else None
        if value is None:
            value = _ESCAPE.sub(rb"\1", parameter["quoted"])
        parameters.add((key, value.lower()))
    return MediaRange(name.lower(), frozenset(parameters), 1000)


def _is_weight(value: bytes | None) -> bool:
    return value is not None and _WEIGHT.fullmatch(value) is not None


def _thousandths(weight: bytes) -> int:
    return round(float(weight) * 1000)
