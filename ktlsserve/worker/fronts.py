"""What answers the requests of a worker's connections: its sites, the redirect, or something in their place."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass

from ktlsserve.files.cache import FileCache
from ktlsserve.files.root import Root
from ktlsserve.http1.answer import Site
from ktlsserve.http1.readiness import with_readiness
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import Request
from ktlsserve.http1.sites import Sites
from ktlsserve.kernel.inotify import ChangeNotices
from ktlsserve.observe.counters import REDIRECT
from ktlsserve.worker.connection import Front
from ktlsserve.worker.memo import Memo, NoMemo
from ktlsserve.worker.residency import Residency
from ktlsserve.worker.service import Service

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fronts:
    """The worker's own ``sites``, the front of ordinary listeners, and that of the listeners that redirect."""

    sites: Sites
    ordinary: Front
    redirecting: Front


def make_fronts(service: Service, files: FileCache, residency: Residency, is_ready: Callable[[], bool]) -> Fronts:
    """Return what answers in a worker that opens files through ``files``; ``is_ready`` is for ``ready_path``."""

    def with_cache(site: Site) -> Site:
        if not isinstance(site.files, Root):
            raise TypeError("the sites of a service open their files in its roots")
        return dataclasses.replace(site, files=files.beneath(site.files))

    def front(answer: Callable[[Request, int], Reply]) -> Front:
        if service.ready_path:
            answer = with_readiness(service.ready_path, is_ready, answer, sites.default.server)
        return Front(answer, Memo(files, service.head_limits, service.files.small_bytes, residency, log_text))

    log_text = service.access_log.reply_text if service.access_log is not None else None
    sites = service.sites.map(with_cache)
    if service.answer is not None:
        ordinary = Front(service.answer, NoMemo(files, service.head_limits, 0, residency))
    else:
        ordinary = front(sites.answer)
    redirecting = ordinary
    if service.redirect is not None:
        redirecting = dataclasses.replace(front(service.redirect.map(with_cache).answer), site=REDIRECT)
    return Fronts(sites, ordinary, redirecting)


def change_notices() -> ChangeNotices | None:
    """Return the kernel's notices of changed files, None where it has none to give: then each use is checked."""
    try:
        return ChangeNotices()
    except OSError as error:
        logger.warning("changes of files are looked for at each request: inotify: %s", error.strerror)
        return None
