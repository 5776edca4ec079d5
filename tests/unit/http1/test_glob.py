from __future__ import annotations

import time

import pytest

from ktlsserve.http1.glob import Glob, has_rest


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/", "/", True),
        ("/", "/a", False),
        ("/a", "/a", True),
        ("/a", "/a/", False),
        ("/a/", "/a/", True),
        ("/a", "/A", False),
        ("/a", "/ab", False),
        ("/*", "/", True),
        ("/*", "/a", True),
        ("/*", "/a/", False),
        ("/*", "/a/b", False),
        ("/a/*", "/a", False),
        ("/a/*", "/a/", True),
        ("/*/", "/a/", True),
        ("/*.js", "/app.js", True),
        ("/*.js", "/.js", True),
        ("/*.js", "/app.jsx", False),
        ("/*.js", "/a/app.js", False),
        ("/a*b*c", "/abc", True),
        ("/a*b*c", "/axbxbxc", True),
        ("/a*b*c", "/acb", False),
        ("/a*bab*b", "/abab", False),
        ("/a*bab*b", "/ababb", True),
        ("/**", "/", True),
        ("/**", "/a", True),
        ("/**", "/a/b/", True),
        ("/docs/**", "/docs", True),
        ("/docs/**", "/docs/", True),
        ("/docs/**", "/docs/a/b", True),
        ("/docs/**", "/docsx", False),
        ("/**/*.js", "/app.js", True),
        ("/**/*.js", "/a/b/app.js", True),
        ("/**/", "/", True),
        ("/**/", "/a/b/", True),
        ("/**/", "/a/b", False),
        ("/a/**/b", "/a/b", True),
        ("/a/**/b", "/a/x/y/b", True),
        ("/a/**/b", "/a/xb", False),
        ("/**/a/b/**/c", "/a/a/b/c", True),
        ("/**/a/b/**/c", "/a/x/b/c", False),
        ("/**/**", "/a", True),
        ("/?", "/a", True),
        ("/?", "/ü", True),
        ("/?", "/\udce9", True),
        ("/?", "/", False),
        ("/a?b", "/a/b", False),
        ("/{a,b}", "/a", True),
        ("/{a,b}", "/b", True),
        ("/{a,b}", "/c", False),
        ("/*.{png,jp?g}", "/x.jpeg", True),
        ("/secret{,/**}", "/secret/x", True),
        ("/{a/b,c}/d", "/a/b/d", True),
        ("/[a-z]+.(x)", "/[a-z]+.(x)", True),
        ("/[a-z]+.(x)", "/b.x", False),
        ("/a", "/a\n", False),
        ("/*", "/a\n", True),
    ],
)
def test_what_a_pattern_matches(pattern: str, path: str, matches: bool) -> None:
    assert Glob(pattern).matches(path) is matches


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("", "must start with a slash"),
        ("a", "must start with a slash"),
        ("{/a,b}", "must start with a slash"),
        ("/a//b", "empty segment"),
        ("//", "empty segment"),
        ("/a/../b", "dot segments"),
        ("/.", "dot segments"),
        ("/a**", "whole segments"),
        ("/***", "whole segments"),
        ("/{a", "in pairs"),
        ("/a}", "in pairs"),
        ("/{a,{b,c}}", "in pairs"),
        ("/%41", "decoded paths"),
        ("/\n", "control characters"),
        ("/" + "{a,b}" * 7, "128 patterns"),
        ("/" + "a" * 1024, "at most 1024"),
    ],
)
def test_what_is_no_pattern(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Glob(pattern)


@pytest.mark.parametrize(
    ("pattern", "path", "rest"),
    [
        ("/old/**", "/old", ""),
        ("/old/**", "/old/", ""),
        ("/old/**", "/old/a/b/", "a/b/"),
        ("/**", "/", ""),
        ("/**", "/a", "a"),
        ("/{a,b}/**", "/b/c", "c"),
        ("/**/x/**", "/a/x/b/x/c", "b/x/c"),
        ("/a", "/a", ""),
    ],
)
def test_the_rest_is_what_the_last_asterisks_take(pattern: str, path: str, rest: str) -> None:
    assert Glob(pattern).rest(path) == rest


def test_without_a_match_there_is_no_rest() -> None:
    with pytest.raises(ValueError, match="doesn't match"):
        Glob("/a/**").rest("/b")


def test_a_rest_needs_asterisks_at_the_end() -> None:
    assert has_rest("/a/**")
    assert not has_rest("/a/**/b")
    assert not has_rest("/{a,b/**}")


def test_globs_are_equal_by_their_text() -> None:
    assert Glob("/a") == Glob("/a")
    assert Glob("/a") != Glob("/b")
    assert Glob("/a") != "/a"
    assert len({Glob("/a"), Glob("/a")}) == 1
    assert repr(Glob("/a")) == "Glob('/a')"


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/" + "*a" * 60 + "b", "/" + "a" * 8000),
        ("/" + "**/a/" * 40 + "b", "/a" * 4000),
        ("/" + "**/*a*a/" * 20 + "b", "/aa" * 2600),
        ("/" + "*?" * 100 + "/b", "/" + "a" * 8000),
    ],
)
def test_no_path_makes_a_pattern_slow(pattern: str, path: str) -> None:
    glob = Glob(pattern)
    start_s = time.process_time()
    assert not glob.matches(path)
    assert time.process_time() - start_s < 0.5
