"""A folder's entries as a listing shows them, and the orders in which it can."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import parse_qsl


class Entry(NamedTuple):
    """One file or folder; ``size`` is in bytes and means nothing for folders.

    A named tuple rather than a dataclass: thousands are made for one page, in a third of the time.
    """

    name: bytes
    is_folder: bool
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds, in no order.

    ``path`` is relative to the root and decoded, without a slash at either end. ``complete`` is false where the folder
    has more entries than were read.
    """

    path: bytes
    entries: tuple[Entry, ...]
    complete: bool = True


class SortKey(Enum):
    """What a listing is sorted by; the values are those of ``?sort=``."""

    NAME = "name"
    SIZE = "size"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a listing. Folders come first in each, whichever way the rest goes."""

    key: SortKey = SortKey.NAME
    descending: bool = False

    def query(self) -> str:
        """Return the query that asks for this order, without its question mark."""
        return f"sort={self.key.value}&order={'desc' if self.descending else 'asc'}"


_KEYS = {key.value: key for key in SortKey}
_DIRECTIONS = {"asc": False, "desc": True}
# More parameters than this are nobody's question for an order.
_MOST_PARAMETERS = 16


def parse_order(query: bytes | None) -> Order:
    """Return the order that ``?sort=name|size|time&order=asc|desc`` asks for; what means nothing here is ignored.

    Of several parameters of one name the first counts. Links into a site carry parameters of other programs, so an
    unknown one is no error.
    """
    said: dict[str, str] = {}
    try:
        parameters = parse_qsl((query or b"").decode("latin-1"), max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return Order()
    for name, value in parameters:
        said.setdefault(name, value)
    return Order(_KEYS.get(said.get("sort", ""), SortKey.NAME), _DIRECTIONS.get(said.get("order", ""), False))


def in_order(folder: Folder, order: Order) -> list[Entry]:
    """Return the entries in ``order``: folders before files, equals by name.

    Names are compared by their bytes, capital ASCII letters taken for small ones: the same everywhere, whatever the
    locale, and defined for names of any encoding. Folders have no size to sort by, and stay in the order of names.
    """
    by_name = sorted(folder.entries, key=lambda entry: (entry.name.lower(), entry.name))
    folders = [entry for entry in by_name if entry.is_folder]
    files = [entry for entry in by_name if not entry.is_folder]
    # Sorting is stable in both directions: files of one size, entries of one time stay in the order of their names.
    match order.key:
        case SortKey.SIZE:
            files.sort(key=attrgetter("size"), reverse=order.descending)
        case SortKey.TIME:
            folders.sort(key=attrgetter("mtime_ns"), reverse=order.descending)
            files.sort(key=attrgetter("mtime_ns"), reverse=order.descending)
        case SortKey.NAME if order.descending:
            folders.reverse()
            files.reverse()
    return folders + files
