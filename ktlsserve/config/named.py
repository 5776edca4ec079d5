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

from ktlsserve.config import Config, Tls
from ktlsserve.config.checks import Problem
from ktlsserve.config.file import load_config, with_lines
from ktlsserve.errors import CertificateError, ConfigError
from ktlsserve.tls.certificate_files import pair, read_certificates, read_private_key
from ktlsserve.tls.certificates import CertificateChain, CertificateIndex

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
    if config.server.root == Path():
        warnings.append("server.root isn't set: serve needs ROOT on the command line, too")
    else:
        problems += _root_problems(config.server.root)
    if config.tls.mode != "off":
        chains = _check_certificates(config.tls, problems)
        warnings += [warning for chain in chains for warning in chain.warnings(now)]
        if chains:
            unused = CertificateIndex(chains).unused(chains)
            warnings += [f"{chain.source}: is never used: those before it serve all its names" for chain in unused]
        warnings += _exposed_keys(config)
    if isinstance(config.log.access_log, Path):
        problems += _log_problems(config.log.access_log)
    return problems, warnings


def _root_problems(root: Path) -> list[Problem]:
    if not root.exists():
        return [("server.root", f"no such folder: {root}")]
    if not root.is_dir():
        return [("server.root", f"is not a folder: {root}")]
    if not os.access(root, os.R_OK | os.X_OK):
        return [("server.root", f"can't be read: {root}")]
    return []


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


def _caught(read: Callable[[], T], key_path: str, problems: list[Problem]) -> T | None:
    try:
        return read()
    except CertificateError as error:
        problems.append((key_path, str(error)))
        return None


def _exposed_keys(config: Config) -> list[str]:
    """Return a warning for each key that lies where everybody could download it."""
    root = config.server.root.resolve()
    return [
        f"tls.certificates[{position}].key lies beneath server.root, from where it can be downloaded: {files.key}"
        for position, files in enumerate(config.tls.certificates)
        if config.server.root != Path() and files.key.resolve().is_relative_to(root)
    ]


def _log_problems(file: Path) -> list[Problem]:
    if file.is_dir():
        return [("log.access_log", f"is a folder: {file}")]
    if not file.parent.is_dir():
        return [("log.access_log", f"no such folder: {file.parent}")]
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        return [("log.access_log", f"can't be written: {file}")]
    return []
