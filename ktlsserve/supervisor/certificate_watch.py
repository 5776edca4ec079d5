"""Noticing that certificates were renewed, or keys of tickets replaced, by whatever program.

The files are looked at every second; two ``stat`` calls for each pair cost nothing, and see what no notice of the
kernel's would without a watch on every folder that a chain of symbolic links leads through (certbot's ``live``, the
``..data`` of a Kubernetes secret). A change counts once it has settled, from one look to the next, and once every
certificate fits its key: programs that write the two files one after the other are waited for.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

from ktlsserve.config import Tls
from ktlsserve.errors import CertificateError, TicketKeyError
from ktlsserve.tls.certificate_files import load_chain
from ktlsserve.tls.ticket_keys import read_ticket_keys

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0

# Per file: device, inode, time of change, size; None where there is none.
_Signature = tuple[tuple[int, int, int, int] | None, ...]


class CertificateWatch:
    """Watches the files of ``tls`` from its construction on: make it before they are read.

    ``due_s`` is when the next look is due; never where there is nothing to watch.
    """

    def __init__(self, tls: Tls, now_s: float) -> None:
        watched = tls.reload_changed and tls.mode != "off"
        self._pairs = tls.certificates if watched else ()
        self._ticket_keys = tls.ticket_keys if watched else ()
        self._served = self._seen = self._refused = self._signature()
        self.due_s = now_s + INTERVAL_S if self._pairs or self._ticket_keys else math.inf

    def look(self, now_s: float) -> bool:
        """Look, if it is time; return True once for each change that can be served."""
        if now_s < self.due_s:
            return False
        self.due_s = now_s + INTERVAL_S
        signature = self._signature()
        settled, self._seen = signature == self._seen, signature
        if not settled or signature in {self._served, self._refused}:
            return False
        try:
            for files in self._pairs:
                load_chain(files.cert, files.key)
            read_ticket_keys(self._ticket_keys)
        except (CertificateError, TicketKeyError) as error:
            self._refused = signature
            # For the operator: no bug, so no traceback.
            logger.error("files of certificates or ticket keys have changed, the old ones stay: %s", error)  # noqa: TRY400
            return False
        if self._signature() != signature:
            return False
        self._served = self._refused = signature
        return True

    def _signature(self) -> _Signature:
        pairs = [path for files in self._pairs for path in (files.cert, files.key)]
        return tuple(map(_file_signature, (*pairs, *self._ticket_keys)))


def _file_signature(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
