"""Check the files and folders that a configuration names: the rest of what ``ktlsserve check`` tells.

The server itself finds the same faults when it starts, one at a time; here all are found without starting anything.
What is found holds for the user who asks, who may not be the one whom the server runs as.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from ktlsserve.accounts import look_up
from ktlsserve.config import Config, Server, Tls
from ktlsserve.config.checks import Problem
from ktlsserve.config.file import load_config, with_lines
from ktlsserve.errors import CertificateError, ConfigError, StartupError, TicketKeyError
from ktlsserve.passwords import load_users
from ktlsserve.tls.certificate_files import pair, read_authorities, read_certificates, read_crls, read_private_key
from ktlsserve.tls.certificates import CertificateChain, CertificateIndex
from ktlsserve.tls.client_certificates import ClientPolicy
from ktlsserve.tls.ticket_keys import read_ticket_keys

T = TypeVar("T")


def check_file(file: Path) -> list[str]:
    """Check a configuration file and what it names; return warnings.

    Raises ConfigError with every problem of the file, or, when it has none, every problem of what it names.
    """
    config = load_config(file, root_needed=False)
    problems, warnings = check_named(config, datetime.now(UTC))
    if problems:
        raise ConfigError(with_lines(problems, file.read_text()), str(file))
    return warnings


def check_named(config: Config, now: datetime) -> tuple[list[Problem], list[str]]:
    """Return the problems, by key path, and the warnings about what ``config`` names."""
    problems: list[Problem] = []
    warnings: list[str] = []
    problems += _all_root_problems(config)
    if Path() in config.roots():
        warnings.append("server.root isn't set: serve needs ROOT on the command line, too")
    problems += _account_problems(config.server)
    problems += _user_problems(config)
    if config.tls.mode != "off":
        chains = _check_certificates(config.tls, problems)
        warnings += [warning for chain in chains for warning in chain.warnings(now)]
        if chains:
            unused = CertificateIndex(chains).unused(chains)
            warnings += [f"{chain.source}: is never used: those before it serve all its names" for chain in unused]
        problems += _ticket_key_problems(config.tls)
        warnings += _exposed_keys(config)
        warnings += _client_warnings(config.tls, problems, now)
    for key_path, file in (("log.access_log", config.log.access_log), ("server.pid_file", config.server.pid_file)):
        if isinstance(file, Path):
            problems += _written_problems(key_path, file)
    return problems, warnings


def _all_root_problems(config: Config) -> list[Problem]:
    """Return what is wrong with the folders to serve; the server's own needn't exist where no site uses it."""
    problems: list[Problem] = []
    if Path() != config.server.root in config.roots():
        problems += _root_problems("server.root", config.server.root)
    for position, site in enumerate(config.site):
        if site.root is not None:
            problems += _root_problems(f"site[{position}].root", site.root)
    if config.redirect.acme_root != "off":
        problems += _root_problems("redirect.acme_root", config.redirect.acme_root)
    return problems


def _root_problems(key_path: str, root: Path) -> list[Problem]:
    if not root.exists():
        return [(key_path, f"no such folder: {root}")]
    if not root.is_dir():
        return [(key_path, f"is not a folder: {root}")]
    if not os.access(root, os.R_OK | os.X_OK):
        return [(key_path, f"can't be read: {root}")]
    return []


def _account_problems(server: Server) -> list[Problem]:
    """Return what is wrong with whom the workers become."""
    if server.user:
        try:
            look_up(server.user, server.group)
        except StartupError as error:
            return [("server.user", str(error))]
    return []


def _user_problems(config: Config) -> list[Problem]:
    """Return what is wrong with the files of users."""
    rules = [(f"rule[{position}]", rule) for position, rule in enumerate(config.rule)]
    for number, site in enumerate(config.site):
        rules += [(f"site[{number}].rule[{position}]", rule) for position, rule in enumerate(site.rule)]
    problems: list[Problem] = []
    for key_path, rule in rules:
        if rule.auth is not None:
            try:
                load_users(rule.auth.users)
            except StartupError as error:
                problems.append((f"{key_path}.auth.users", str(error)))
    return problems


def _check_certificates(tls: Tls, problems: list[Problem]) -> list[CertificateChain]:
    """Return the chains that are whole; append what is wrong with the others to ``problems``."""
    chains = []
    for position, files in enumerate(tls.certificates):
        key_path = f"tls.certificates[{position}]"
        certificates = _caught(partial(read_certificates, files.cert), f"{key_path}.cert", problems)
        key = _caught(partial(read_private_key, files.key), f"{key_path}.key", problems)
        if certificates is not None and key is not None:
            together = partial(pair, certificates, key, str(files.cert), str(files.key))
            chain = _caught(together, f"{key_path}.key", problems)
            if chain is not None:
                chains.append(chain)
    return chains


def _ticket_key_problems(tls: Tls) -> list[Problem]:
    """Return what is wrong with the keys of session tickets: with each, else with all together."""
    problems: list[Problem] = []
    for position, file in enumerate(tls.ticket_keys):
        _caught(partial(read_ticket_keys, [file]), f"tls.ticket_keys[{position}]", problems)
    if not problems:
        _caught(partial(read_ticket_keys, tls.ticket_keys), "tls.ticket_keys", problems)
    return problems


def _client_warnings(tls: Tls, problems: list[Problem], now: datetime) -> list[str]:
    """Return doubts about whose certificates clients must show; append what can't be read to ``problems``."""
    if tls.client_auth == "off" or tls.client_ca == "off":
        return []
    authorities = _caught(partial(read_authorities, tls.client_ca), "tls.client_ca", problems)
    crls = None
    if tls.client_crl != "off":
        crls = _caught(partial(read_crls, tls.client_crl), "tls.client_crl", problems)
    return list(ClientPolicy(required=True, authorities=authorities or (), crls=crls or (), depth=0).warnings(now))


def _caught(read: Callable[[], T], key_path: str, problems: list[Problem]) -> T | None:
    try:
        return read()
    except (CertificateError, TicketKeyError) as error:
        problems.append((key_path, str(error)))
        return None


def _exposed_keys(config: Config) -> list[str]:
    """Return a warning for each key that lies where everybody could download it."""
    roots = [root.resolve() for root in config.roots() if root != Path()]
    keys = [(f"certificates[{position}].key", files.key) for position, files in enumerate(config.tls.certificates)]
    keys += [(f"ticket_keys[{position}]", file) for position, file in enumerate(config.tls.ticket_keys)]
    return [
        f"tls.{key_path} lies beneath a folder that is served, from where it can be downloaded: {file}"
        for key_path, file in keys
        if any(file.resolve().is_relative_to(root) for root in roots)
    ]


def _written_problems(key_path: str, file: Path) -> list[Problem]:
    if file.is_dir():
        return [(key_path, f"is a folder: {file}")]
    if not file.parent.is_dir():
        return [(key_path, f"no such folder: {file.parent}")]
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        return [(key_path, f"can't be written: {file}")]
    return []
