import pytest

from tests.vm.apt_sources import Target, debian_uri, own_suites, parse_targets, source_lines
from tests.vm.errors import PackagesError

MIRROR = "https://mirror.invalid/debian/"
SECURITY = "https://mirror.invalid/debian-security/"


def paragraph(**fields: str) -> str:
    fixed = {"MetaKey": "main/binary-amd64/Packages", "Trusted": "yes", "Architecture": "amd64", "Fallback-Of": ""}
    given = {key.replace("_", "-"): value for key, value in fields.items()}
    return "".join(f"{key}: {value}\n" for key, value in {**fixed, **given}.items())


# The shape of what apt 2.6 prints, cut to two sources, one of them for backports, and a foreign one.
OUTPUT = "\n".join(
    [
        paragraph(
            Repo_URI="https://packages.invalid/apt/",
            Origin="Somebody",
            Label="Somebody",
            Codename="bookworm",
            Suite="stable",
            Created_By="Packages",
        ),
        paragraph(
            Repo_URI=MIRROR,
            Origin="Debian",
            Label="Debian Backports",
            Codename="bookworm-backports",
            Suite="oldstable-backports",
            Created_By="Packages",
        ),
        paragraph(Repo_URI=MIRROR, Origin="Debian", Label="Debian", Codename="bookworm", Created_By="Translations"),
        paragraph(
            Repo_URI=MIRROR,
            Origin="Debian",
            Label="Debian",
            Codename="bookworm",
            Suite="oldstable",
            Created_By="Packages",
        ),
        paragraph(
            Repo_URI=SECURITY,
            Origin="Debian",
            Label="Debian-Security",
            Codename="bookworm-security",
            Suite="oldstable-security",
            Created_By="Packages",
        ),
        # A source whose Release file was never fetched: apt knows the address only.
        paragraph(Repo_URI="https://unfetched.invalid/debian/", Created_By="Packages"),
    ]
)


def test_the_repository_is_the_one_of_the_machines_own_release() -> None:
    assert debian_uri(parse_targets(OUTPUT), "bookworm") == MIRROR


def test_a_machine_without_debian_sources_is_told_so() -> None:
    with pytest.raises(PackagesError, match="no apt source of this machine has Debian trixie"):
        debian_uri(parse_targets(OUTPUT), "trixie")


def test_indexes_that_were_never_fetched_do_not_count() -> None:
    uris = {target.uri for target in parse_targets(OUTPUT)}
    assert uris == {"https://packages.invalid/apt/", MIRROR, SECURITY}


def test_other_indexes_than_those_of_packages_do_not_count() -> None:
    assert len(parse_targets(OUTPUT)) == 4


def test_own_suites_are_the_release_and_its_security_fixes() -> None:
    assert own_suites(parse_targets(OUTPUT), "bookworm") == [(MIRROR, "bookworm"), (SECURITY, "bookworm-security")]


def test_own_suites_hold_no_foreign_source() -> None:
    foreign = [Target("Somebody", "Somebody", "bookworm", "https://packages.invalid/apt/")]
    assert own_suites(foreign, "bookworm") == []


def test_only_the_suite_is_replaced_and_the_keyring_stays() -> None:
    suites = [(MIRROR, "trixie"), (MIRROR, "forky")]
    assert source_lines(suites, "/usr/share/keyrings/archive.gpg") == (
        f"deb [signed-by=/usr/share/keyrings/archive.gpg] {MIRROR} trixie main\n"
        f"deb [signed-by=/usr/share/keyrings/archive.gpg] {MIRROR} forky main\n"
    )


def test_nothing_is_read_out_of_nothing() -> None:
    assert parse_targets("") == []
