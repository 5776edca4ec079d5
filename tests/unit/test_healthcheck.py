from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ktlsserve.address import Address
from ktlsserve.arguments import healthcheck_parser
from ktlsserve.config.file import parse_config
from ktlsserve.errors import Unhealthy, UsageError
from ktlsserve.healthcheck import Question, ask, of_config, of_url, questions, run_healthcheck

LIMIT_S = 30.0


def asked(text: str) -> Question:
    return of_config(parse_config(text))


def test_the_ready_path_of_the_first_listener_is_asked() -> None:
    question = asked('[server]\nlisten = ["0.0.0.0:8443", "[::]:8443"]\nready_path = "/ready"\n')
    assert question.url == "https://127.0.0.1:8443/ready"
    assert not question.lenient


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("[::]:1", "https://[::1]:1/r"),
        ("192.0.2.1:2", "https://192.0.2.1:2/r"),
        ("localhost:3", "https://localhost:3/r"),
    ],
)
def test_addresses_are_asked_where_they_are(listen: str, url: str) -> None:
    assert asked(f'[server]\nlisten = ["{listen}"]\nready_path = "/r"').url == url


def test_plain_http_is_asked_plainly() -> None:
    assert asked('[server]\nready_path = "/r"\n[tls]\nmode = "off"\n').url == "http://127.0.0.1:8443/r"


def test_without_a_ready_path_the_admin_endpoint_is_asked_and_without_that_the_site() -> None:
    assert asked('[admin]\nlisten = ["0.0.0.0:9000"]\n').url == "http://127.0.0.1:9000/readyz"
    question = asked("")
    assert (question.url, question.lenient) == ("https://127.0.0.1:8443/", True)
    both = asked('[server]\nready_path = "/r"\n[admin]\nlisten = ["0.0.0.0:9000"]\n')
    assert both.url == "https://127.0.0.1:8443/r"


def test_whoever_must_show_a_certificate_asks_the_admin_endpoint() -> None:
    text = '[server]\nready_path = "/r"\n[tls]\nclient_auth = "required"\nclient_ca = "ca.pem"\n'
    assert asked(text).certificate_wanted
    assert asked(f'{text}[admin]\nlisten = ["127.0.0.1:9000"]\n').url == "http://127.0.0.1:9000/readyz"


def test_the_environment_counts_and_the_command_line_before_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text('[server]\nlisten = ["127.0.0.1:1"]\nready_path = "/first"\n')
    second.write_text('[server]\nlisten = ["127.0.0.1:2"]\nready_path = "/second"\n')

    def urls(*arguments: str, **environ: str) -> list[str]:
        return [question.url for question in questions(healthcheck_parser().parse(arguments), environ)]

    assert urls(KTLSSERVE_CONFIG=str(first)) == ["https://127.0.0.1:1/first"]
    assert urls("--config", str(second), KTLSSERVE_CONFIG=str(first)) == ["https://127.0.0.1:2/second"]
    assert urls(KTLSSERVE_CONFIG=str(first), KTLSSERVE_LISTEN="127.0.0.1:3", KTLSSERVE_TLS="off") == [
        "http://127.0.0.1:3/first"
    ]
    assert urls("0.0.0.0:4", "[::]:5", KTLSSERVE_CONFIG=str(first)) == [
        "https://127.0.0.1:4/first",
        "https://[::1]:5/first",
    ]
    assert urls("--url", "http://127.0.0.1:6/x?y", KTLSSERVE_CONFIG="/nonexistent") == ["http://127.0.0.1:6/x?y"]


def test_a_port_that_the_kernel_picks_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parsed = healthcheck_parser().parse([])
    assert run_healthcheck(parsed, {"KTLSSERVE_LISTEN": "127.0.0.1:0"}) == 1
    assert capsys.readouterr().err.startswith(
        "not healthy: the configuration has the kernel choose a port (127.0.0.1:0)"
    )


def test_a_wrong_configuration_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[sever]\n[tsl]\n")
    assert run_healthcheck(healthcheck_parser().parse(["--config", str(file)]), {}) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"not healthy: {file}: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "address", "path"),
    [
        ("https://127.0.0.1/", Address("127.0.0.1", 443), "/"),
        ("http://[::1]", Address("::1", 80), "/"),
        ("https://localhost:8443/a?b", Address("localhost", 8443), "/a?b"),
    ],
)
def test_a_url_is_taken_apart(url: str, address: Address, path: str) -> None:
    question = of_url(url)
    assert (question.address, question.path, question.tls) == (address, path, url.startswith("https"))


@pytest.mark.parametrize(
    "url", ["", "localhost", "ftp://a/", "https:///x", "http://a:b/", "http://a/b c", "http://a/\u00e4"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(Unhealthy):
        of_url(url)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "3601", "x", ""])
def test_a_timeout_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(UsageError, match="argument --timeout: must be a number of seconds above 0 and up to 3600"):
        healthcheck_parser().parse([f"--timeout={text}"])


@contextmanager
def peer(*pieces: bytes, ends: bool = True) -> Iterator[tuple[Question, list[bytes]]]:
    """Run a server that reads a request and says ``pieces``, and then closes or waits for the client to do so."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with listener.accept()[0] as connection:
                connection.settimeout(LIMIT_S)
                heard.append(connection.recv(65536))
                for piece in pieces:
                    connection.sendall(piece)
                if not ends:
                    connection.recv(1)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield Question(Address("127.0.0.1", listener.getsockname()[1]), tls=False, path="/readyz"), heard
        finally:
            thread.join()


def answered(*pieces: bytes) -> str:
    with peer(*pieces) as (question, _):
        return ask(question, LIMIT_S)


def complaint(*pieces: bytes, ends: bool = True, timeout_s: float = LIMIT_S) -> str:
    with peer(*pieces, ends=ends) as (question, _), pytest.raises(Unhealthy) as raised:
        ask(question, timeout_s)
    return str(raised.value).removeprefix(f"{question.url}: ")


def test_the_question_is_a_request() -> None:
    with peer(b"HTTP/1.1 200 OK\r\n\r\n") as (question, heard):
        assert ask(question, LIMIT_S) == "200"
    assert heard[0].startswith(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nConnection: close\r\n" in heard[0]
    assert heard[0].endswith(b"\r\n\r\n")


def test_answers_in_pieces_are_put_together() -> None:
    assert answered(b"HTTP/1", b".1 20", b"0 OK\r\nA: b\r\n\r", b"\nready\n") == "200"


def test_another_status_is_told_with_its_text() -> None:
    assert complaint(b"HTTP/1.1 404 Not Found\r\n\r\nstopping\nmore\n") == "404 stopping"
    assert complaint(b"HTTP/1.1 503 No\r\n\r\n503 Service Unavailable\n") == "503 Service Unavailable"
    assert complaint(b"HTTP/1.1 302 Found\r\n\r\n\x1b[31mred" + b"x" * 200) == f"302 [31mred{'x' * 73}"


def test_what_is_no_answer_is_said_to_be_none() -> None:
    assert complaint() == "the connection was closed without an answer"
    assert complaint(b"SSH-2.0-x\r\n") == "the answer isn't HTTP"
    assert complaint(b"HTTP/1.1 OK\r\n\r\n") == "the answer isn't HTTP"


def test_time_is_for_all_of_it_together() -> None:
    """A server that has begun to answer and goes no further."""
    assert complaint(b"HTTP/1.1 200 ", ends=False, timeout_s=0.2) == "no answer within 0.2 s"


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])
    with pytest.raises(Unhealthy, match="Connection refused"):
        ask(Question(address, tls=False, path="/"), LIMIT_S)


def test_a_server_without_tls_is_not_asked_twice() -> None:
    with peer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (question, _), pytest.raises(Unhealthy, match=": TLS: "):
        ask(Question(question.address, tls=True, path="/"), LIMIT_S)
