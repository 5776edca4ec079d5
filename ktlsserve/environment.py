"""What the environment says: ``KTLSSERVE_LISTEN`` is ``--listen``, and so on for every option of ``serve``.

A container is configured so. The command line goes before the environment, the environment before the configuration
file.

A variable of that prefix which means nothing is an error, as an unknown key in the file is: ``KTLSSERVE_CRET`` would
otherwise be a server that shows a self-signed certificate to everybody, and a warning in a log that nobody reads. An
empty variable is one that isn't set, because templates (Compose, Helm) leave such behind. Some belong to others:

- Kubernetes and Docker tell each container of the services and links around it. For a service called ``ktlsserve`` they
  are ``KTLSSERVE_SERVICE_HOST``, ``KTLSSERVE_PORT_443_TCP_ADDR`` and the like; nobody wrote them, so nobody is told.
- The tests and load tests have their own, and what they start inherits them; so does ``make serve`` from the shell
  of somebody who has set ``KTLSSERVE_CACHE``.
- ``supervisor.inherited`` reads the one that a program which is being replaced passes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from ktlsserve.errors import ConfigError
from ktlsserve.options import OPTIONS, VARIABLE_PREFIX, Option, Said

OF_OTHERS = frozenset(
    f"{VARIABLE_PREFIX}{name}"
    for name in ("CACHE", "COMPARE_CAME_FROM", "GUEST", "GUEST_RELEASE", "REQUIRE_KTLS", "UPGRADE")
)
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables; Docker's links have the form
# of the second and third, and _NAME. A service may be called ktlsserve-admin. Only with such a value is _PORT theirs:
# whoever writes KTLSSERVE_PORT=443 means something.
_SERVICE = re.compile(
    rf"{VARIABLE_PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_PORT = re.compile(rf"{VARIABLE_PREFIX}(\w+_)?PORT=(tcp|udp|sctp)://.*")
CONFIG = f"{VARIABLE_PREFIX}CONFIG"
_BETWEEN_ITEMS = re.compile(r"[,\s]+")


def read_environment(environ: Mapping[str, str]) -> Said:
    """Return what ``environ`` says; raise ConfigError with every variable that is wrong."""
    options = {option.variable: option for option in OPTIONS}
    values: dict[str, object] = {}
    told_by: dict[str, str] = {}
    problems: list[tuple[str, str]] = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(VARIABLE_PREFIX) or not text.strip():
            continue
        option = options.get(variable)
        if option is None:
            if not _is_of_others(variable, text):
                problems.append((variable, _unknown(variable)))
            continue
        try:
            values[option.name] = _read(option, text.strip())
            told_by[option.name] = variable
        except ValueError as error:
            problems.append((variable, str(error)))
    if problems:
        raise ConfigError(problems, "environment")
    return Said(values, told_by)


def _read(option: Option, text: str) -> object:
    if option.choices and text not in option.choices:
        *all_but_last, last = option.choices
        raise ValueError(f"must be {', '.join(all_but_last)} or {last}, not {text!r}")
    if option.repeatable:
        return [option.read(item) for item in _BETWEEN_ITEMS.split(text) if item]
    return option.read(text)


def _is_of_others(variable: str, text: str) -> bool:
    named_so = variable in OF_OTHERS or _SERVICE.fullmatch(variable) is not None
    return named_so or _SERVICE_PORT.fullmatch(f"{variable}={text}") is not None


def _unknown(variable: str) -> str:
    known = {option.name.upper(): option.variable for option in OPTIONS}
    close = get_close_matches(variable.removeprefix(VARIABLE_PREFIX), known, n=1)
    if close:
        return f"means nothing here; did you mean {known[close[0]]}?"
    return (
        f"means nothing here; known are {', '.join(known.values())}; all else stands in a file, which {CONFIG} may name"
    )
