"""What ``serve`` can be told besides its file: one table, read by the command line and by the environment.

An option is a word behind ``--listen``, or the variable ``KTLSSERVE_LISTEN``. Both take the same texts; what each means
for the configuration is worked out here, so that neither knows more than the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ktlsserve.address import parse_address
from ktlsserve.config import LogFormat, LogLevel, TlsMode
from ktlsserve.config.checks import WorkerCount
from ktlsserve.errors import ConfigError, UsageError
from ktlsserve.networks import parse_network

VARIABLE_PREFIX = "KTLSSERVE_"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be said.

    ``name`` is that of its value (``access_log``), ``key`` the key path of the setting that it stands for, empty where
    it is none by itself. ``read`` returns a text as the setting takes it, or raises ValueError that says what is wrong.
    """

    name: str
    metavar: str
    group: str
    help: str
    key: str = ""
    read: Callable[[str], object] = field(default=str)
    choices: tuple[str, ...] = ()
    repeatable: bool = False

    @property
    def flag(self) -> str:
        """How it is written on the command line; ROOT stands there by itself."""
        return self.metavar if self.group == "" else f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """The variable of the environment that says the same."""
        return VARIABLE_PREFIX + self.name.upper()


@dataclass(frozen=True, slots=True)
class Said:
    """What was said: values by the names of their options, and by whom (``--listen``, ``KTLSSERVE_LISTEN``)."""

    values: Mapping[str, Any] = field(default_factory=dict)
    told_by: Mapping[str, str] = field(default_factory=dict)

    def over(self, other: Said) -> Said:
        """Return this and, for options that it says nothing of, ``other``."""
        return Said({**other.values, **self.values}, {**other.told_by, **self.told_by})

    def overrides(self) -> dict[str, object]:
        """Return it as ``load_config`` takes it: values by key path, paths absolute.

        Raises UsageError where certificates and keys don't pair up.
        """
        overrides = {option.key: self.values[option.name] for option in OPTIONS if option.key and option in self}
        certs, keys = (self.values.get(name, ()) for name in ("cert", "key"))
        if len(certs) != len(keys):
            cert_by, key_by = (self.told_by.get(name, f"--{name}") for name in ("cert", "key"))
            raise UsageError(
                f"each certificate has its key: {cert_by} was given {len(certs)}, {key_by} was given {len(keys)}"
            )
        if certs:
            overrides["tls.certificates"] = [{"cert": cert, "key": key} for cert, key in zip(certs, keys, strict=True)]
        return overrides

    def sources(self) -> dict[str, str]:
        """Return who said what ``overrides`` returns, by key path."""
        sources = {option.key: self.told_by[option.name] for option in OPTIONS if option.key and option in self}
        if "cert" in self.told_by:
            sources["tls.certificates"] = self.told_by["cert"]
        return sources

    def __contains__(self, option: Option) -> bool:
        return option.name in self.values


def _address(text: str) -> str:
    parse_address(text)
    return text


def _network(text: str) -> str:
    parse_network(text)
    return text


def _workers(text: str) -> int | str:
    try:
        return WorkerCount().accept(int(text) if text.isdecimal() else text, Path())
    except ConfigError as error:
        raise ValueError(error.problems[0][1]) from None


def _not_empty(text: str) -> str:
    """Refuse the empty path that an unset variable of the shell becomes: it would mean the current folder."""
    if not text:
        raise ValueError("is empty")
    return text


def _absolute(text: str) -> str:
    """Return the path as a configuration file in any folder would have to name it."""
    return str(Path(_not_empty(text)).absolute())


def _log_target(text: str) -> str:
    return text if text in ("off", "-") else _absolute(text)


SERVING, ENCRYPTION, OPERATION, LOGS = "serving", "encryption", "operation", "logs"

OPTIONS = (
    Option("root", "ROOT", "", "the folder to serve", "server.root", _absolute),
    Option("config", "FILE", SERVING, "TOML file with all settings", read=lambda text: Path(_not_empty(text))),
    Option(
        "listen",
        "HOST:PORT",
        SERVING,
        "where to listen; repeatable; port 0 picks one (default: 127.0.0.1:8443)",
        "server.listen",
        _address,
        repeatable=True,
    ),
    Option(
        "proxy_protocol",
        "CIDR",
        SERVING,
        "require a PROXY header, version 1 or 2, from this network, and take none from others; repeatable "
        "(default: none)",
        "server.proxy_protocol",
        _network,
        repeatable=True,
    ),
    Option(
        "workers",
        "N|auto",
        SERVING,
        "processes that serve (default: auto, one per usable CPU)",
        "server.workers",
        _workers,
    ),
    Option(
        "user",
        "USER",
        SERVING,
        "whom the workers become once all is bound (default: nobody else)",
        "server.user",
        _not_empty,
    ),
    Option(
        "cert",
        "FILE",
        ENCRYPTION,
        "PEM, certificate and intermediate ones; repeatable",
        read=_absolute,
        repeatable=True,
    ),
    Option(
        "key",
        "FILE",
        ENCRYPTION,
        "PEM, its private key (default for both: a self-signed certificate for localhost, made once and kept)",
        read=_absolute,
        repeatable=True,
    ),
    Option(
        "tls",
        "MODE",
        ENCRYPTION,
        "auto (default): the kernel encrypts where it can, else OpenSSL in userspace; kernel: don't start if the "
        "kernel can't; userspace: always OpenSSL; off: plain HTTP",
        "tls.mode",
        choices=get_args(TlsMode),
    ),
    Option(
        "admin",
        "HOST:PORT",
        OPERATION,
        "/healthz, /readyz, /metrics, /status and a page for people, over plain HTTP; repeatable (default: none)",
        "admin.listen",
        _address,
        repeatable=True,
    ),
    Option(
        "access_log",
        "FILE|-|off",
        LOGS,
        "a line for every request, to a file or (-) standard output (default: off)",
        "log.access_log",
        _log_target,
    ),
    Option(
        "log_level",
        "LEVEL",
        LOGS,
        "least important messages logged: debug, info (default), warning, error",
        "log.level",
        choices=get_args(LogLevel),
    ),
    Option(
        "log_format",
        "text|json",
        LOGS,
        "text (default), for people, or json, for collectors; always to standard error",
        "log.format",
        choices=get_args(LogFormat),
    ),
)
