"""Choosing codings against a model that asks about each coding alone."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.http1.answer import answer
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.negotiation import acceptable_codings
from ktlsserve.http1.reply import FileSlice
from ktlsserve.http1.request import HeadLimits
from tests.support.memory_site import MemoryFile, MemoryFiles, memory_site, read_memory_slice
from tests.support.site_tree import NOW_S

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


SUFFIX = {b"zstd": b".zst", b"br": b".br", b"gzip": b".gz"}
LATER_NS = st.sampled_from([-2_000_000_000, -1, 0, 1, 2_000_000_000])


class TimedFiles(MemoryFiles):
    """A file and its siblings, each with its own time."""

    def __init__(self, later_ns: dict[bytes, int]) -> None:
        names = {b"a.js": 0, **{b"a.js" + SUFFIX[coding]: later for coding, later in later_ns.items()}}
        super().__init__({name: name for name in names})
        self._later_ns = names

    def open(self, path: bytes) -> MemoryFile:
        file = super().open(path)
        file.mtime_ns = 1_700_000_000_500_000_000 + self._later_ns[path]
        return file


@given(WISHES, st.dictionaries(st.sampled_from(OFFERED), LATER_NS), st.permutations(OFFERED), st.booleans())
def test_what_is_sent_is_what_the_model_chooses(
    wishes: dict[bytes, int | None], later_ns: dict[bytes, int], offered: list[bytes], partly: bool
) -> None:
    files = TimedFiles(later_ns)
    site = memory_site(files=files, precompressed=tuple(offered))
    lines = [b"GET /a.js HTTP/1.1", b"Host: h"]
    lines.append(b"Accept-Encoding: " + b",".join(written(*wish) for wish in wishes.items()))
    lines += [b"Range: bytes=0-2"] if partly else []
    reply = answer(parse_head(b"\r\n".join([*lines, b"", b""]), HeadLimits()), site, NOW_S)
    # The plain file is worth what it was said to be; where nothing was said, less than anything acceptable.
    plain = weight_of({name: weight for name, weight in wishes.items() if name != b"*"}, b"identity")
    there = [coding for coding in offered if later_ns.get(coding, -1) >= 0]
    liked = [coding for coding in there if weight_of(wishes, coding) > 0 and weight_of(wishes, coding) >= plain]
    best = max(liked, key=lambda coding: weight_of(wishes, coding), default=None)
    name = b"a.js" if best is None else b"a.js" + SUFFIX[best]
    assert reply.status == (206 if partly else 200)
    (part,) = reply.body
    assert isinstance(part, FileSlice)
    assert read_memory_slice(part) == (name[:3] if partly else name)
    coded = [line for line in reply.head.split(b"\r\n") if line.startswith(b"Content-Encoding: ")]
    assert coded == ([] if best is None else [b"Content-Encoding: " + best])
    assert b"\r\nVary: Accept-Encoding\r\n" in reply.head
    reply.release()
    assert files.uses() == 0
