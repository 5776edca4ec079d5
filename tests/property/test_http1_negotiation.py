"""Choosing codings against a model that asks about each coding alone."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.http1.negotiation import acceptable_codings

OFFERED = (b"zstd", b"br", b"gzip")
NAMES = (*OFFERED, b"identity", b"*", b"deflate")
WEIGHTS = st.none() | st.integers(0, 1000)
WISHES = st.dictionaries(st.sampled_from(NAMES), WEIGHTS)


def written(name: bytes, weight: int | None) -> bytes:
    if weight is None:
        return name
    text = f"{weight // 1000}.{weight % 1000:03}".rstrip("0").encode()
    return name + b";q=" + text


def weight_of(wishes: dict[bytes, int | None], name: bytes) -> Fraction:
    """Say how much the client likes one coding (RFC 9110 section 12.5.3)."""
    if name not in wishes:
        name = b"*"
    if name not in wishes:
        return Fraction(0)
    weight = wishes[name]
    return Fraction(1 if weight is None else weight, 1 if weight is None else 1000)


@given(WISHES, st.permutations(OFFERED))
def test_as_asking_about_each_coding_alone(wishes: dict[bytes, int | None], offered: list[bytes]) -> None:
    chosen = acceptable_codings(b", ".join(written(*wish) for wish in wishes.items()), offered)
    plain = weight_of({name: weight for name, weight in wishes.items() if name != b"*"}, b"identity")
    for coding in offered:
        weight = weight_of(wishes, coding)
        assert (coding in chosen) == (weight > 0 and weight >= plain)
    ranks = [(-weight_of(wishes, coding), offered.index(coding)) for coding in chosen]
    assert ranks == sorted(ranks)


@given(st.binary(max_size=40) | st.lists(st.sampled_from([*NAMES, b";", b"q=", b"0.5", b",", b" "])).map(b"".join))
def test_no_field_raises(value: bytes) -> None:
    assert set(acceptable_codings(value, OFFERED)) <= set(OFFERED)
