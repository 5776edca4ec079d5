from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from ktlsserve.tls.certificate_files import pair
from ktlsserve.tls.certificates import CertificateChain, CertificateIndex, KeyKind, normal_name, wildcard_of
from tests.support.pki import NOW, Issued, new_authority


@pytest.fixture(scope="module")
def root() -> Issued:
    return new_authority()


def chain(root: Issued, *names: str, kind: str = "p256", days: tuple[int, int] = (-1, 90)) -> CertificateChain:
    issued = root.issue("leaf", names, kind=kind, days=days)
    return pair((issued.certificate,), issued.key, "leaf.pem", "leaf.key")


def test_names_are_normal_and_addresses_are_text(root: Issued) -> None:
    names = chain(root, "WWW.Example.ORG", "*.example.org", "::1", "127.0.0.1", "www.example.org").names
    assert names == ("www.example.org", "*.example.org", "::1", "127.0.0.1")


def test_a_chain_shows_no_key(root: Issued) -> None:
    assert "Key object" not in repr(chain(root, "a.example"))


def test_a_good_chain_has_no_warnings(root: Issued) -> None:
    assert chain(root, "a.example").warnings(NOW) == ()


@pytest.mark.parametrize(
    ("days", "warning"),
    [
        ((-90, -1), "leaf.pem: certificate CN=leaf expired on 2030-06-14 12:00 UTC"),
        ((1, 90), "leaf.pem: certificate CN=leaf isn't valid before 2030-06-16 12:00 UTC"),
    ],
)
def test_the_time_of_validity_is_a_warning(root: Issued, days: tuple[int, int], warning: str) -> None:
    assert chain(root, "a.example", days=days).warnings(NOW) == (warning,)


def test_validity_includes_its_ends(root: Issued) -> None:
    leaf = chain(root, "a.example", days=(0, 1))
    assert leaf.warnings(NOW) == ()
    assert leaf.warnings(NOW + timedelta(days=1)) == ()
    assert leaf.not_after == NOW + timedelta(days=1)


def test_an_expired_intermediate_is_a_warning_too(root: Issued) -> None:
    middle = root.issue("middle", authority=True, days=(-90, -1))
    leaf = middle.issue("leaf", ["a.example"])
    both = pair((leaf.certificate, middle.certificate), leaf.key, "leaf.pem", "leaf.key")
    assert [warning.split(" expired")[0] for warning in both.warnings(NOW)] == ["leaf.pem: certificate CN=middle"]


def test_a_certificate_without_names_is_a_warning(root: Issued) -> None:
    assert "no name in the certificate's subjectAltName" in chain(root).warnings(NOW)[0]


def test_a_certificate_for_clients_is_a_warning(root: Issued) -> None:
    for usage, expected in [
        (ExtendedKeyUsageOID.CLIENT_AUTH, 1),
        (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, 0),
        (None, 0),
    ]:
        issued = root.issue("leaf", ["a.example"], usage=usage)
        warnings = pair((issued.certificate,), issued.key, "leaf.pem", "leaf.key").warnings(NOW)
        assert len(warnings) == expected
        assert all("serverAuth" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("xn--BCHER-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_names_are_compared_in_lower_case_without_the_last_dot(name: str, normal: str) -> None:
    assert normal_name(name) == normal


@pytest.mark.parametrize(
    ("name", "wildcard"),
    [
        ("www.example.org", "*.example.org"),
        ("xn--bcher-kva.example", "*.example"),
        ("localhost", ""),
        (".example.org", ""),
        ("www.", ""),
        ("*.example.org", ""),
        ("", ""),
    ],
)
def test_a_wildcard_stands_for_one_whole_label(name: str, wildcard: str) -> None:
    assert wildcard_of(name) == wildcard


def served(index: CertificateIndex, name: str | None) -> tuple[CertificateChain, ...]:
    return index.groups[index.choose(name)]


def test_the_first_certificate_serves_whoever_names_nothing_known(root: Issued) -> None:
    first, second = chain(root, "a.example", "10.0.0.1"), chain(root, "b.example")
    index = CertificateIndex([first, second])
    for name in (None, "", "c.example", "a.example.c.example", "b", "10.0.0.2", "*.example", "\ufffd"):
        assert served(index, name) == (first,), name
    assert index.groups[index.default] == (first,)


def test_a_name_chooses_its_certificate(root: Issued) -> None:
    first, second, third = chain(root, "a.example"), chain(root, "b.example", "b2.example"), chain(root, "*.c.example")
    index = CertificateIndex([first, second, third])
    for name, expected in {
        "a.example": first,
        "B.Example.": second,
        "b2.example": second,
        "www.c.example": third,
        "xn--bcher-kva.c.example": third,
        "c.example": first,
        "deep.www.c.example": first,
    }.items():
        assert served(index, name) == (expected,), name
    assert len(index.groups) == 3


def test_an_exact_name_goes_before_a_wildcard_whatever_the_order(root: Issued) -> None:
    exact, wildcard = chain(root, "www.a.example"), chain(root, "*.a.example")
    for chains in itertools.permutations([exact, wildcard]):
        index = CertificateIndex(chains)
        assert served(index, "www.a.example") == (exact,)
        assert served(index, "other.a.example") == (wildcard,)


def test_keys_of_several_kinds_serve_one_name_together(root: Issued) -> None:
    chains = [chain(root, "a.example", kind=kind) for kind in ("rsa", "p384", "ed25519")]
    index = CertificateIndex(chains)
    assert index.groups == (tuple(chains),)
    assert [item.key_kind for item in index.groups[0]] == [KeyKind.RSA, KeyKind.ECDSA, KeyKind.ED25519]


def test_a_wildcard_adds_the_kinds_that_the_exact_certificate_lacks(root: Issued) -> None:
    exact, wildcard = chain(root, "www.a.example"), chain(root, "*.a.example", kind="rsa")
    index = CertificateIndex([wildcard, exact])
    assert served(index, "www.a.example") == (wildcard, exact)
    assert served(index, "b.a.example") == (wildcard,)
    assert served(index, None) == (wildcard,)


def test_of_two_certificates_of_one_kind_for_one_name_the_first_is_used(root: Issued) -> None:
    first, second, third = chain(root, "a.example"), chain(root, "a.example", kind="p384"), chain(root, "b.example")
    index = CertificateIndex([first, second, third])
    assert served(index, "a.example") == (first,)
    assert index.unused([first, second, third]) == (second,)


def test_a_certificate_without_names_can_be_the_default(root: Issued) -> None:
    first, second = chain(root), chain(root, "a.example")
    index = CertificateIndex([first, second])
    assert served(index, None) == (first,)
    assert served(index, "a.example") == (second,)


def test_there_must_be_a_certificate() -> None:
    with pytest.raises(ValueError, match="no certificates"):
        CertificateIndex([])
