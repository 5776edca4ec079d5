"""Listening sockets that were there before this process: systemd's, or those of the program that this one replaces.

systemd binds the addresses of a ``.socket`` unit itself and passes descriptors from 3 on (sd_listen_fds(3)). They take
the place of ``server.listen``, those with ``FileDescriptorName=redirect`` that of ``redirect.listen``, and those with
``FileDescriptorName=admin`` that of ``admin.listen``: what is listened on is then the unit's affair, and needs no
privilege here. As systemd holds them too, nobody is refused while the server restarts.

A predecessor passes what it listens on in a variable of its own (``upgrading``). There the configuration decides as
ever: a socket is used where it asks for the address that it was bound for, and closed where it doesn't.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, replace

from ktlsserve.address import Address, parse_address
from ktlsserve.config import Config
from ktlsserve.errors import StartupError
from ktlsserve.supervisor.listeners import Listener, prepare_listener
from ktlsserve.worker.accepting import format_peer

logger = logging.getLogger(__name__)

UPGRADE = "KTLSSERVE_UPGRADE"
REDIRECT_NAME = "redirect"
ADMIN_NAME = "admin"
_FIRST_FD = 3


@dataclass(frozen=True, slots=True)
class Inherited:
    """What was inherited, nothing by default.

    ``serving``, ``redirecting`` and ``administering`` are the addresses of systemd's sockets; ``announce_fd`` is where
    a predecessor waits for a byte that says that this program serves, -1 without one. ``admin`` are the listeners of
    the admin endpoint, ``listeners`` all others.
    """

    listeners: tuple[Listener, ...] = ()
    serving: tuple[Address, ...] = ()
    redirecting: tuple[Address, ...] = ()
    announce_fd: int = -1
    admin: tuple[Listener, ...] = ()
    administering: tuple[Address, ...] = ()

    def applied_to(self, config: Config) -> Config:
        """Return ``config`` with the addresses of systemd's sockets in the place of its own."""
        if self.serving:
            config = replace(config, server=replace(config.server, listen=self.serving))
        if self.redirecting:
            config = replace(config, redirect=replace(config.redirect, listen=self.redirecting))
        if self.administering:
            config = replace(config, admin=replace(config.admin, listen=self.administering))
        return config

    def announce(self) -> Inherited:
        """Tell the predecessor, if there is one, that this program serves; return what is left to announce: nothing."""
        if self.announce_fd >= 0:
            try:
                os.write(self.announce_fd, b"\n")
            except OSError:
                # It has died meanwhile, and its part of the listeners with it.
                pass
            finally:
                os.close(self.announce_fd)
        return replace(self, announce_fd=-1)


def take_inherited(environ: MutableMapping[str, str]) -> Inherited:
    """Take over what ``environ`` tells of, and remove it from there: it isn't for processes that this one starts.

    Raises StartupError for sockets that can't be served on.
    """
    handed = environ.pop(UPGRADE, None)
    listen_pid, count, names = (environ.pop(f"LISTEN_{what}", "") for what in ("PID", "FDS", "FDNAMES"))
    if handed is not None:
        return _from_predecessor(handed)
    if listen_pid != str(os.getpid()) or not count.isdecimal():
        # None, or meant for another process, such as the one that started this one.
        return Inherited()
    return _from_systemd(int(count), names.split(":"))


def _from_systemd(count: int, names: list[str]) -> Inherited:
    listeners: list[Listener] = []
    admin: list[Listener] = []
    redirecting: list[Address] = []
    for number in range(count):
        name = names[number] if number < len(names) else ""
        listener = _listener(_FIRST_FD + number, f"the socket {name or number} that systemd passes", None)
        (admin if name == ADMIN_NAME else listeners).append(listener)
        if name == REDIRECT_NAME:
            redirecting.append(listener.asked)
    serving = tuple(listener.asked for listener in listeners if listener.asked not in redirecting)
    logger.info(
        "systemd has bound %s: the configuration's addresses don't count",
        ", ".join(each.bound for each in (*listeners, *admin)),
    )
    administering = tuple(listener.asked for listener in admin)
    return Inherited(tuple(listeners), serving, tuple(redirecting), admin=tuple(admin), administering=administering)


def _from_predecessor(handed: str) -> Inherited:
    try:
        parts = json.loads(handed)
        if parts["predecessor"] != os.getppid():
            # A variable that some other program has kept: its descriptors mean nothing here.
            return Inherited()
        asked, admin = ([(int(fd), parse_address(text)) for fd, text in parts[kind]] for kind in ("listeners", "admin"))
        serving, redirecting, administering = (
            tuple(map(parse_address, parts[kind])) for kind in ("serving", "redirecting", "administering")
        )
        announce_fd = int(parts["announce"])
    except (ValueError, KeyError, TypeError) as error:
        raise StartupError(f"{UPGRADE} isn't what a predecessor says: {error}; unset it") from error
    taken, taken_admin = (
        tuple(_listener(fd, f"the predecessor's socket {fd}", address) for fd, address in passed)
        for passed in (asked, admin)
    )
    os.set_inheritable(announce_fd, False)
    return Inherited(taken, serving, redirecting, announce_fd, taken_admin, administering)


def _listener(fd: int, what: str, asked: Address | None) -> Listener:
    """Return the listener of a descriptor; ``asked`` None is the address that it has. Raises StartupError."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise StartupError(f"{what} (descriptor {fd}) is no socket: {error.strerror}") from error
    listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM or not listening:
        sock.detach()
        raise StartupError(
            f"{what} (descriptor {fd}) isn't a TCP socket that listens: give ListenStream= an address or port, "
            "and Accept=no"
        )
    sock.set_inheritable(False)
    prepare_listener(sock)
    name = sock.getsockname()
    return Listener(sock, asked or Address(str(name[0]), int(name[1])), format_peer(name))
