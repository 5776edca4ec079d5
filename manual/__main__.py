"""Write all files that are made of the program: ``python -m manual``."""

from __future__ import annotations

from pathlib import Path

from manual.bash import bash_completion
from manual.cli_page import cli_page
from manual.commands import commands
from manual.configuration_page import configuration_page
from manual.fish import fish_completion
from manual.man_page import man_page
from manual.zsh import zsh_completion

CHECKOUT = Path(__file__).resolve().parent.parent


def made() -> dict[str, str]:
    """Return the text of each file, by its path in the checkout."""
    known = commands()
    return {
        "docs/cli.md": cli_page(known),
        "docs/configuration.md": configuration_page(),
        "share/man/man1/ktlsserve.1": man_page(known),
        "share/bash-completion/completions/ktlsserve": bash_completion(known),
        "share/zsh/site-functions/_ktlsserve": zsh_completion(known),
        "share/fish/vendor_completions.d/ktlsserve.fish": fish_completion(known),
    }


def main() -> None:
    """Write each file."""
    for path, text in made().items():
        file = CHECKOUT / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
