"""The compiled pattern agrees with a matcher that simply tries everything."""

from __future__ import annotations

import re
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.http1.glob import Glob

SEGMENTS = st.one_of(st.just("**"), st.text("ab*?.", max_size=4).filter(lambda text: "**" not in text))
PATH_SEGMENTS = st.text("ab.", max_size=5)


def is_pattern(text: str) -> bool:
    segments = text[1:].split("/")
    return "" not in segments[:-1] and not {".", ".."} & set(segments)


PLAIN = st.lists(SEGMENTS, min_size=1, max_size=5).map(lambda segments: "/" + "/".join(segments)).filter(is_pattern)
PATHS = st.lists(PATH_SEGMENTS, min_size=1, max_size=6).map(lambda segments: "/" + "/".join(segments))


def naive_segment(pattern: str, segment: str) -> bool:
    if not pattern:
        return not segment
    if pattern[0] == "*":
        return any(naive_segment(pattern[1:], segment[skipped:]) for skipped in range(len(segment) + 1))
    return bool(segment) and pattern[0] in ("?", segment[0]) and naive_segment(pattern[1:], segment[1:])


def naive_segments(pattern: list[str], path: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(naive_segments(pattern[1:], path[skipped:]) for skipped in range(len(path) + 1))
    return bool(path) and naive_segment(pattern[0], path[0]) and naive_segments(pattern[1:], path[1:])


def naive(pattern: str, path: str) -> bool:
    return naive_segments(pattern[1:].split("/"), path[1:].split("/"))


@given(PLAIN, PATHS)
def test_it_matches_what_the_naive_one_matches(pattern: str, path: str) -> None:
    assert Glob(pattern).matches(path) == naive(pattern, path)


@given(PLAIN)
def test_a_pattern_matches_what_it_was_made_from(pattern: str) -> None:
    assert Glob(pattern).matches(re.sub(r"[*?]", "a", pattern.replace("**", "a/a")))


@given(PLAIN, PATHS.filter(lambda path: "//" not in path))
def test_the_rest_is_what_is_left_of_the_path(pattern: str, path: str) -> None:
    glob = Glob(pattern.rstrip("/") + "/**")
    if glob.matches(path):
        rest = glob.rest(path)
        assert path.endswith(rest)
        assert naive(glob.text, path.removesuffix(rest).rstrip("/") or "/") or not rest


@given(st.lists(st.lists(st.text("ab*?", max_size=2), min_size=1, max_size=3), max_size=2), PATHS)
def test_braces_stand_for_each_of_their_choices(groups: list[list[str]], path: str) -> None:
    text = "/x".join(["/", *("{" + ",".join(group) + "}" for group in groups)])
    plain = ["/x".join(["/", *combination]) for combination in product(*groups)]
    usable = all(is_pattern(pattern) and "**" not in pattern and "//" not in pattern for pattern in plain)
    if usable:
        assert Glob(text).matches(path) == any(naive(pattern, path) for pattern in plain)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_pattern_or_refused(text: str, path: str) -> None:
    try:
        glob = Glob("/" + text)
    except ValueError:
        return
    assert glob.matches("/" + path) in (True, False)
