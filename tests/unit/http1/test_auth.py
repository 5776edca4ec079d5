from __future__ import annotations

from base64 import b64encode

import pytest

from ktlsserve.http1.answer import answer
from ktlsserve.http1.auth import Attempt, Credentials, Gate, Verdict, VerdictCache, VerificationPending, parse_basic
from ktlsserve.http1.cors import Cors
from ktlsserve.http1.glob import Glob
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import HeadLimits, Request
from ktlsserve.http1.rules import Rule
from tests.support.memory_site import MemoryFiles, memory_site
from tests.support.site_tree import NOW_S

KEY = b"k" * 32
ALICE = Credentials(b"alice", b"secret")
AUTH = "Authorization: Basic " + b64encode(b"alice:secret").decode()
WRONG = "Authorization: Basic " + b64encode(b"alice:guess").decode()


def knows_alice(user: bytes, password: bytes) -> bool:
    return (user, password) == (b"alice", b"secret")


def request(*fields: str, method: str = "GET", target: str = "/hello.txt") -> Request:
    return parse_head("\r\n".join([f"{method} {target} HTTP/1.1", "Host: h", *fields, "", ""]).encode(), HeadLimits())


@pytest.mark.parametrize(
    ("text", "user", "password"),
    [
        (b"alice:secret", b"alice", b"secret"),
        (b"alice:", b"alice", b""),
        (b":", b"", b""),
        (b"a:b:c", b"a", b"b:c"),
        ("ü:ß".encode(), "ü".encode(), "ß".encode()),
    ],
)
@pytest.mark.parametrize("scheme", [b"Basic ", b"basic ", b"BASIC   "])
def test_credentials_are_read(scheme: bytes, text: bytes, user: bytes, password: bytes) -> None:
    assert parse_basic(scheme + b64encode(text)) == Credentials(user, password)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"Basic",
        b"Basic ",
        b"Bearer YTpi",
        b"Basic YTpi, Basic YTpi",
        b"Basic YTp",
        b"Basic YT pi",
        b"Basic !!!!",
        b"Basic " + b64encode(b"no colon"),
        b"Basic " + b64encode(b"a:b\n"),
        b"Basic " + b64encode(b"a\0:b"),
        b"Basic " + b64encode(b"a:" + b"b" * 1024),
    ],
)
def test_what_is_malformed_are_no_credentials(value: bytes | None) -> None:
    assert parse_basic(value) is None


def test_a_verdict_holds_for_a_while() -> None:
    cache = VerdictCache(KEY)
    assert cache.find(ALICE, 0) is None
    cache.enter(ALICE, Verdict.GRANTED, 1000)
    assert cache.find(ALICE, 1299) is Verdict.GRANTED
    assert cache.find(ALICE, 1300) is None
    cache.enter(ALICE, Verdict.REFUSED, 1300)
    assert cache.find(ALICE, 1300) is Verdict.REFUSED
    assert len(cache) == 1


def test_the_verdict_that_was_entered_longest_ago_makes_room() -> None:
    cache = VerdictCache(KEY, most=2)
    first, second, third = (Credentials(user, b"") for user in (b"1", b"2", b"3"))
    cache.enter(first, Verdict.GRANTED, 0)
    cache.enter(second, Verdict.GRANTED, 0)
    cache.enter(first, Verdict.GRANTED, 0)
    cache.enter(third, Verdict.GRANTED, 0)
    assert [cache.find(who, 0) is not None for who in (first, second, third)] == [True, False, True]


def test_users_and_passwords_are_told_apart() -> None:
    cache = VerdictCache(KEY)
    cache.enter(Credentials(b"ab", b"c"), Verdict.GRANTED, 0)
    assert cache.find(Credentials(b"a", b"bc"), 0) is None
    assert cache.find(Credentials(b"abc", b""), 0) is None


def test_nothing_of_the_credentials_is_kept() -> None:
    cache = VerdictCache(KEY)
    cache.enter(ALICE, Verdict.GRANTED, 0)
    assert b"secret" not in b"".join(cache._verdicts)
    assert "secret" not in repr(ALICE)
    assert VerdictCache(b"other")._digest(ALICE) != cache._digest(ALICE)


def test_a_gate_knows_what_was_settled() -> None:
    gate = Gate(b"Staff", knows_alice, KEY)
    for fields, admitted in (((AUTH,), True), ((WRONG,), False)):
        with pytest.raises(VerificationPending) as raised:
            gate.admits(request(*fields), NOW_S)
        attempt = raised.value.attempt
        assert attempt == Attempt(gate, attempt.credentials)
        attempt.settle(attempt.verify(), NOW_S)
        assert gate.admits(request(*fields), NOW_S) is admitted


def test_without_credentials_nothing_is_verified() -> None:
    gate = Gate(b"Staff", knows_alice, KEY)
    assert not gate.admits(request(), NOW_S)
    assert not gate.admits(request("Authorization: Bearer x"), NOW_S)


# Over the pipeline.


def ask(gate: Gate, asked: Request, **rule: object) -> tuple[Reply, MemoryFiles]:
    """Answer as a worker does: verify what is pending, and ask again."""
    files = MemoryFiles()
    rules = (Rule(Glob("/**"), gate=gate, **rule),)  # type: ignore[arg-type]
    site = memory_site(files=files, rules=rules, error_pages={401: b"noextension"})
    try:
        return answer(asked, site, NOW_S), files
    except VerificationPending as pending:
        pending.attempt.settle(pending.attempt.verify(), NOW_S)
        return answer(asked, site, NOW_S), files


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_users_are_let_in(method: str) -> None:
    reply, files = ask(Gate(b"Staff", knows_alice, KEY), request(AUTH, method=method))
    assert reply.status == 200
    reply.release()
    assert files.uses() == 0


@pytest.mark.parametrize("fields", [(), (WRONG,), ("Authorization: Basic x",)])
@pytest.mark.parametrize("target", ["/hello.txt", "/missing", "/docs"])
def test_others_are_asked_for_a_password_whatever_is_there(fields: tuple[str, ...], target: str) -> None:
    reply, _ = ask(Gate(b"Staff", knows_alice, KEY), request(*fields, target=target))
    assert (reply.status, reply.close, reply.body_bytes) == (401, False, 6)
    assert b'\r\nWWW-Authenticate: Basic realm="Staff", charset="UTF-8"\r\n' in reply.head


def test_a_preflight_needs_no_password() -> None:
    """Browsers send none with it (Fetch, section 3.2.2)."""
    preflight = request("Origin: https://a", "Access-Control-Request-Method: GET", method="OPTIONS")
    reply, _ = ask(Gate(b"Staff", knows_alice, KEY), preflight, cors=Cors(frozenset({b"*"})))
    assert (reply.status, b"Access-Control-Allow-Methods" in reply.head) == (204, True)


def test_who_is_denied_is_not_asked() -> None:
    assert ask(Gate(b"Staff", knows_alice, KEY), request(), deny=True)[0].status == 403
