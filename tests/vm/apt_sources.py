"""Derive apt sources for other Debian suites from the sources that this machine uses (pure: text in, text out).

No host name is written down anywhere: a machine behind a mirror or a cache fetches from there too. The machine's own
configuration stays untouched; what is derived here goes into a private configuration (see private_apt).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.vm.errors import PackagesError

_NEEDED_FIELDS = ("Origin", "Label", "Codename", "Repo-URI")


@dataclass(frozen=True, slots=True)
class Target:
    """One index of packages that the machine's apt knows, with the identity that its signed Release file states."""

    origin: str
    label: str
    codename: str
    uri: str


def parse_targets(output: str) -> list[Target]:
    """Read what `apt-get indextargets` prints, without indexes whose Release file was never fetched (no origin)."""
    targets = []
    for paragraph in output.split("\n\n"):
        pairs = (line.partition(": ") for line in paragraph.splitlines())
        fields = {key.rstrip(":"): value.strip() for key, _, value in pairs}
        if fields.get("Created-By") == "Packages" and all(fields.get(name) for name in _NEEDED_FIELDS):
            targets.append(Target(*(fields[name] for name in _NEEDED_FIELDS)))
    return targets


def debian_uri(targets: Iterable[Target], release: str) -> str:
    """Find the repository of the machine's own release, e.g. of bookworm: the one that holds all other suites as well.

    Raises PackagesError where no source has Debian for its origin.
    """
    for target in targets:
        if (target.origin, target.label, target.codename) == ("Debian", "Debian", release):
            return target.uri
    raise PackagesError(
        f"no apt source of this machine has Debian {release} for its origin (apt-get indextargets): "
        "other releases are fetched from where Debian itself is fetched"
    )


def own_suites(targets: Iterable[Target], release: str) -> list[tuple[str, str]]:
    """List (URI, suite) of Debian's sources for the own release: itself, its updates, its security fixes."""
    suites = (f"{release}{kind}" for kind in ("", "-updates", "-security"))
    known = {target.codename: target.uri for target in targets if target.origin == "Debian"}
    return [(known[suite], suite) for suite in suites if suite in known]


def source_lines(suites: Iterable[tuple[str, str]], keyring: str) -> str:
    """Write a sources.list for (URI, suite) pairs, each trusted by the archive's own keyring only."""
    return "".join(f"deb [signed-by={keyring}] {uri} {suite} main\n" for uri, suite in suites)
