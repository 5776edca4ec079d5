"""What the program makes of an option of ``serve``, or of a variable of its environment.

It is asked: run with the option, up to where it would read its configuration, and looked at for what it would lay over
that. So no list here has to follow what the program understands.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from ktlsserve.cli import RUN
from ktlsserve.errors import KtlsServeError
from manual.values import takes_value

PREFIX = "KTLSSERVE_"
"""How variables begin, if there are any: the rest is the option's name."""

# A value that each placeholder stands for, and another folder than the one that is always named.
_SAMPLES = {"HOST:PORT": "127.0.0.1:0", "CIDR": "192.0.2.0/24", "N|auto": "1"}
_SAMPLE = "/sample"
_ROOT = "server.root"
# One without the other is an error.
_PARTNERS = {"cert": "key", "key": "cert"}


@dataclass(frozen=True, slots=True)
class Understood:
    """The file that the program would read, and the settings that it would lay over it, but for the root."""

    file: Path | None
    settings: Mapping[str, object]


class _CaughtError(Exception):
    def __init__(self, understood: Understood) -> None:
        self.understood = understood


def understood(arguments: Sequence[str], environment: Mapping[str, str]) -> Understood | None:
    """Return what the program makes of ``arguments`` and ``environment``, None where it refuses them."""

    def catch(file: Path | None, overrides: Mapping[str, object], *_: object, **__: object) -> NoReturn:
        raise _CaughtError(Understood(file, {key: value for key, value in overrides.items() if key != _ROOT}))

    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with (
        mock.patch.dict(os.environ, {**others, **environment}, clear=True),
        mock.patch("ktlsserve.config.file.load_config", catch),
    ):
        try:
            RUN["serve"](["/", *arguments])
        except _CaughtError as caught:
            return caught.understood
        except KtlsServeError:
            return None
    raise AssertionError("the program didn't read its configuration")


def setting_of(action: argparse.Action) -> str:
    """Return the key path of the setting that an option goes before, empty where there is none."""
    if not (action.option_strings and takes_value(action)):
        return ""
    found = understood(_told(action), {})
    return next(iter(found.settings), "") if found else ""


def variable_of(action: argparse.Action) -> str:
    """Return the variable of the environment that says the same as an option, empty where there is none."""
    if not (action.option_strings and takes_value(action)):
        return ""
    wanted = understood(_told(action), {})
    names = [action.dest, *filter(None, [_PARTNERS.get(action.dest)])]
    found = understood([], {PREFIX + name.upper(): _sample(action) for name in names})
    return PREFIX + action.dest.upper() if found == wanted != understood([], {}) else ""


def _told(action: argparse.Action) -> list[str]:
    partner = _PARTNERS.get(action.dest)
    more = [f"--{partner}", _sample(action)] if partner else []
    return [action.option_strings[0], _sample(action), *more]


def _sample(action: argparse.Action) -> str:
    choices: Any = action.choices
    return str(next(iter(choices))) if choices else _SAMPLES.get(str(action.metavar), _SAMPLE)
