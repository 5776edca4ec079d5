"""The man page, in the macros of man(7)."""

from __future__ import annotations

import argparse
import re
import textwrap

from ktlsserve import __version__
from manual.asking import variable_of
from manual.commands import Command, epilog_blocks, invocation

DATE = "2026-11-26"
"""When the version was released; the page is not dated by when it was made, so that it can be made again."""

_WIDTH = 78

# The backslash first: the others' escapes have one.
_ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}

_FILES = {
    "/etc/ktlsserve.toml": "A usual place for a configuration; none is read unless --config names it.",
    "~/.local/state/ktlsserve/self-signed.pem": "The certificate made for localhost, with its key, where no other "
    "is given (below XDG_STATE_HOME where that is set).",
    "/proc/net/tls_stat": "The kernel's own count of TLS sessions; there once the module tls is loaded.",
}

_SEE_ALSO = "sendfile(2), openat2(2), landlock(7), systemd.socket(5), nginx(8)"


def man_page(commands: list[Command]) -> str:
    """Return ``ktlsserve.1``; the first command is the one whose help is the program's."""
    serve = commands[0]
    parts = [
        '.\\" Written by `python -m manual`; changes made here are lost.',
        f'.TH KTLSSERVE 1 "{DATE}" "ktlsserve {__version__}" "User Commands"',
        f".SH NAME\nktlsserve \\- {_escaped(_lower(serve.summary))}",
        ".SH SYNOPSIS\n" + "\n.br\n".join(_synopsis(line) for line in _usages(commands)),
        f".SH DESCRIPTION\n{_paragraphs(serve.parser.description or '')}",
        *[_command(command) for command in commands],
        *_environment(serve),
        ".SH FILES\n" + "\n".join(f".TP\n.I {_escaped(path)}\n{_flowing(text)}" for path, text in _FILES.items()),
        f".SH SEE ALSO\n{_references(_SEE_ALSO)}",
    ]
    return "\n".join(parts) + "\n"


def _environment(serve: Command) -> list[str]:
    entries = [
        f".TP\n.B {_escaped(variable)}\nSays the same as {_escaped(action.option_strings[0])}."
        for action in serve.options
        if (variable := variable_of(action))
    ]
    return [".SH ENVIRONMENT\n" + "\n".join(entries)] if entries else []


def _usages(commands: list[Command]) -> list[str]:
    """Return the lines of the program's usage, which name each command once."""
    usage = commands[0].parser.format_usage().removeprefix("usage: ")
    return [line.strip() for line in usage.splitlines() if line.strip()]


def _synopsis(line: str) -> str:
    program, _, rest = line.partition(" ")
    return f"\\fB{_escaped(program)}\\fR {_escaped(rest)}"


def _command(command: Command) -> str:
    lines = [f".SH {command.name.upper()}"]
    if command.name != "serve":
        lines.append(_paragraphs(command.parser.description or ""))
    lines += [f".TP\n.I {_escaped(str(one.metavar))}\n{_flowing(one.help or '')}" for one in command.operands]
    for group in command.parser._action_groups:  # noqa: SLF001 - argparse shows them in its help alone
        members = [action for action in group._group_actions if action.option_strings]  # noqa: SLF001 - see above
        if members and group.title not in {"options", None}:
            lines.append(f".SS {_escaped(_capital(str(group.title)))}")
        lines += [_option(action) for action in members]
    return "\n".join([*lines, *map(_epilog, epilog_blocks(command.parser))])


def _option(action: argparse.Action) -> str:
    shown = re.sub(r"(--?[\w-]+)", r"\\fB\1\\fR", invocation(action))
    return f".TP\n{_escaped(shown, keep=True)}\n{_flowing((action.help or '') + '.')}"


def _epilog(block: str) -> str:
    """Set a block of an epilog: lines below one that ends in a colon are shown as they are."""
    title, *rest = block.splitlines()
    if title.endswith(":") and rest:
        body = "\n".join(_escaped(line.removeprefix("  ")) for line in rest)
        return f".SS {_escaped(_capital(title[:-1]))}\n.nf\n.RS\n{body}\n.RE\n.fi"
    return f".PP\n{_flowing(block)}"


def _paragraphs(text: str) -> str:
    return "\n.PP\n".join(_flowing(paragraph) for paragraph in text.split("\n\n"))


def _references(text: str) -> str:
    pairs = re.findall(r"(\w[\w.]*)(\(\d\))", text)
    return "\n".join(
        f".BR {name} {number}{',' if index < len(pairs) else ''}" for index, (name, number) in enumerate(pairs, 1)
    )


def _flowing(text: str) -> str:
    """Return one paragraph in lines of roff's usual length; a line of text may not begin with a full stop."""
    lines = textwrap.wrap(_escaped(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in lines)


def _escaped(text: str, *, keep: bool = False) -> str:
    """Return text as roff takes it literally; ``keep`` leaves changes of font as they are."""
    for character, escape in _ESCAPES.items():
        if not (keep and character == "\\"):
            text = text.replace(character, escape)
    return text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
