from __future__ import annotations

import pytest

from ktlsserve.http1.conditionals import Precondition, evaluate_preconditions, last_modified_s, range_applies
from ktlsserve.http1.request import Request

ETAG = b'"abc"'
MODIFIED_S = 1_700_000_000
NOW_S = 1_750_000_000
THEN = b"Tue, 14 Nov 2023 22:13:20 GMT"
EARLIER = b"Tue, 14 Nov 2023 22:13:19 GMT"
LATER = b"Tue, 14 Nov 2023 22:13:21 GMT"

MET, NOT_MODIFIED, FAILED = Precondition.MET, Precondition.NOT_MODIFIED, Precondition.FAILED


def request(fields: dict[bytes, bytes]) -> Request:
    return Request(b"GET", b"/", b"1.1", ((b"host", b"h"), *fields.items()), keep_alive=True)


def evaluate(**fields: bytes) -> Precondition:
    headers = {name.replace("_", "-").encode(): value for name, value in fields.items()}
    return evaluate_preconditions(request(headers), ETAG, MODIFIED_S, NOW_S)


def test_without_preconditions_all_is_well() -> None:
    assert evaluate(accept=b"*/*") is MET


@pytest.mark.parametrize(
    ("value", "strong", "weak"),
    [
        (b"*", True, True),
        (b'"abc"', True, True),
        (b'W/"abc"', False, True),
        (b'"x", "abc"', True, True),
        (b'"x" ,\t"abc" ,W/"y"', True, True),
        (b',, "abc",', True, True),
        (b'"a,b", "abc"', True, True),
        (b'"x"', False, False),
        (b'"ABC"', False, False),
        (b'w/"abc"', False, False),
        (b"abc", False, False),
        (b'"abc', False, False),
        (b'"abc" "x"', False, False),
        (b'"abc", x', False, False),
        (b'x, "abc"', False, False),
        (b'*, "abc"', False, False),
        (b'""', False, False),
        (b"", False, False),
    ],
)
def test_lists_of_entity_tags(value: bytes, strong: bool, weak: bool) -> None:
    assert evaluate(if_match=value) is (MET if strong else FAILED)
    assert evaluate(if_none_match=value) is (NOT_MODIFIED if weak else MET)


def test_a_long_list_is_read_to_its_end() -> None:
    assert evaluate(if_none_match=b'"x",' * 3000 + b'"abc"') is NOT_MODIFIED


@pytest.mark.parametrize(
    ("date", "since", "unmodified"),
    [
        (EARLIER, MET, FAILED),
        (THEN, NOT_MODIFIED, MET),
        (LATER, NOT_MODIFIED, MET),
        (b"Tuesday, 14-Nov-23 22:13:20 GMT", NOT_MODIFIED, MET),
        (b"Tue Nov 14 22:13:20 2023", NOT_MODIFIED, MET),
        (b"yesterday", MET, MET),
        (b"", MET, MET),
        (EARLIER + b", " + EARLIER, MET, MET),
    ],
)
def test_dates(date: bytes, since: Precondition, unmodified: Precondition) -> None:
    assert evaluate(if_modified_since=date) is since
    assert evaluate(if_unmodified_since=date) is unmodified


def test_if_match_replaces_if_unmodified_since() -> None:
    assert evaluate(if_match=ETAG, if_unmodified_since=EARLIER) is MET
    assert evaluate(if_match=b'"x"', if_unmodified_since=LATER) is FAILED


def test_if_none_match_replaces_if_modified_since() -> None:
    assert evaluate(if_none_match=b'"x"', if_modified_since=THEN) is MET
    assert evaluate(if_none_match=ETAG, if_modified_since=EARLIER) is NOT_MODIFIED


def test_a_failed_one_comes_before_not_modified() -> None:
    assert evaluate(if_match=b'"x"', if_none_match=ETAG) is FAILED
    assert evaluate(if_unmodified_since=EARLIER, if_none_match=ETAG) is FAILED


def test_one_that_holds_leaves_the_word_to_the_next() -> None:
    assert evaluate(if_match=ETAG, if_none_match=ETAG) is NOT_MODIFIED
    assert evaluate(if_match=ETAG, if_modified_since=THEN) is NOT_MODIFIED
    assert evaluate(if_unmodified_since=THEN, if_modified_since=THEN) is NOT_MODIFIED


@pytest.mark.parametrize(
    ("if_range", "expected"),
    [
        (b'"abc"', True),
        (b'W/"abc"', False),
        (b'"x"', False),
        (b'"abc", "x"', False),
        (b"abc", False),
        (b"", False),
        (THEN, True),
        (b"Tue Nov 14 22:13:20 2023", True),
        (EARLIER, False),
        (LATER, False),
    ],
)
def test_if_range(if_range: bytes, expected: bool) -> None:
    assert range_applies(request({b"if-range": if_range}), ETAG, MODIFIED_S, NOW_S) is expected


def test_a_range_without_if_range_applies() -> None:
    assert range_applies(request({}), ETAG, MODIFIED_S, NOW_S)


def test_a_date_is_no_strong_validator_while_its_second_lasts() -> None:
    conditional = request({b"if-range": THEN})
    assert not range_applies(conditional, ETAG, MODIFIED_S, MODIFIED_S)
    assert range_applies(conditional, ETAG, MODIFIED_S, MODIFIED_S + 1)


def test_last_modified_is_never_in_the_future() -> None:
    assert last_modified_s(1_999_999_999, 5) == 1
    assert last_modified_s(6_000_000_000, 5) == 5
    assert last_modified_s(-1, 5) == -1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (b"if-match", b"*", MET),
        (b"if-match", b'"abc"', FAILED),
        (b"if-none-match", b"*", NOT_MODIFIED),
        (b"if-none-match", b'"abc", "None", ""', MET),
        (b"if-modified-since", THEN, NOT_MODIFIED),
        (b"if-unmodified-since", EARLIER, FAILED),
    ],
)
def test_an_entity_tag_that_is_not_known_matches_the_asterisk_only(
    name: bytes, value: bytes, expected: Precondition
) -> None:
    assert evaluate_preconditions(request({name: value}), None, MODIFIED_S, NOW_S) is expected
    assert not range_applies(request({b"if-range": b'"abc"'}), None, MODIFIED_S, NOW_S)


def test_without_a_date_conditions_on_dates_are_ignored() -> None:
    for name in (b"if-modified-since", b"if-unmodified-since"):
        for date in (EARLIER, THEN, LATER):
            assert evaluate_preconditions(request({name: date}), ETAG, None, NOW_S) is MET
    assert not range_applies(request({b"if-range": THEN}), ETAG, None, NOW_S)
    assert range_applies(request({b"if-range": ETAG}), ETAG, None, NOW_S)
