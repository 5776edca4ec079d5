"""The connections of one user: a multi handle of libcurl, driven by gevent's loop.

Theory of operation
-------------------
libcurl's multi-socket interface (libcurl-multi(3), "multi_socket") does no waiting of its own. It says which sockets
are to be watched for what (M_SOCKETFUNCTION) and when it wants to be called at the latest (M_TIMERFUNCTION); whoever
runs the loop tells it what has happened (``socket_action``) and asks what is finished (``info_read``). Here the loop is
that of gevent, in which all users of a process are greenlets: no polling, no call for a user for whom nothing has
happened, and no thread but the one in which libcurl looks up a host's name.

A multi handle is a pool of connections, so each user has one: users share nothing, as visitors don't. Over HTTP/3 its
requests are streams of one connection.

libcurl may not be called from within its own callbacks, so these only note what to watch. The user's greenlet sleeps
in ``perform`` and is woken from the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gevent
import pycurl
from gevent.event import Event

_READ, _WRITE = 1, 2
# What libcurl wants to know of a socket, as gevent's loop calls it.
_EVENTS = {pycurl.POLL_IN: _READ, pycurl.POLL_OUT: _WRITE, pycurl.POLL_INOUT: _READ | _WRITE}
_SELECTED = {
    _READ: pycurl.CSELECT_IN,
    _WRITE: pycurl.CSELECT_OUT,
    _READ | _WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}


class Connections:
    """A pool of connections; only the greenlet of its user may use it."""

    def __init__(self, most: int) -> None:
        """Open none yet; there will be at most ``most`` to a host."""
        self._most = most
        self._loop = gevent.get_hub().loop
        self._watchers: dict[int, Any] = {}
        self._timer: Any = None
        self._failures: dict[pycurl.Curl, str] = {}
        self._under_way = 0
        self._finished = Event()
        self._multi = self._new_multi()

    def perform(self, handles: Sequence[pycurl.Curl]) -> list[str]:
        """Make the requests of all ``handles`` at a time; return for each why it failed, empty where it didn't."""
        self._failures = {}
        self._under_way = len(handles)
        self._finished.clear()
        added = []
        try:
            for handle in handles:
                self._multi.add_handle(handle)
                added.append(handle)
            self._finished.wait()
        finally:
            # Also where the user is stopped meanwhile.
            for handle in added:
                self._multi.remove_handle(handle)
        return [self._failures.get(handle, "") for handle in handles]

    def drop(self) -> None:
        """Close all connections; the next request opens new ones, with full handshakes.

        After a failure too: libcurl keeps a QUIC connection whose server is gone, and all that goes there times out.
        """
        self.close()
        self._multi = self._new_multi()

    def close(self) -> None:
        """Close all connections for good."""
        self._multi.close()
        self._stop_timer()
        for watcher in self._watchers.values():
            _end(watcher)
        self._watchers.clear()

    def _new_multi(self) -> pycurl.CurlMulti:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, self._most)
        return multi

    # What libcurl calls.

    def _watch(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        """Watch a socket for something else, or no longer."""
        watcher = self._watchers.pop(descriptor, None)
        if watcher is not None:
            _end(watcher)
        if what in _EVENTS:
            watcher = self._watchers[descriptor] = self._loop.io(descriptor, _EVENTS[what])
            watcher.start(self._on_socket, descriptor, pass_events=True)

    def _set_timer(self, timeout_ms: int) -> None:
        """Call back after ``timeout_ms``; -1 is never."""
        self._stop_timer()
        if timeout_ms >= 0:
            self._timer = self._loop.timer(timeout_ms / 1000)
            self._timer.start(self._on_timer)

    # What the loop calls.

    def _on_socket(self, events: int, descriptor: int) -> None:
        self._multi.socket_action(descriptor, _SELECTED.get(events & (_READ | _WRITE), pycurl.CSELECT_ERR))
        self._collect()

    def _on_timer(self) -> None:
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()

    def _collect(self) -> None:
        """Note what is finished, and wake the user when everything is."""
        more = 1
        while more:
            more, done, failed = self._multi.info_read()
            self._under_way -= len(done) + len(failed)
            for handle, number, text in failed:
                self._failures[handle] = text or f"libcurl's error {number}"
        if self._under_way == 0:
            self._finished.set()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            _end(self._timer)
            self._timer = None


def _end(watcher: Any) -> None:
    watcher.stop()
    watcher.close()
