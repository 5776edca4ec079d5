from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from ktlsserve.doctor.check import Check, Status
from ktlsserve.doctor.report import HOST_SETUP, Report, wants_colour, write_json, write_text
from ktlsserve.kernel.probe import Direction, Refusal
from ktlsserve.tls.suites import Cipher, TlsVersion
from tests.support.kernel_tls import BELOW_FLOORS, FULL, NONE
from tests.support.server import CHECKOUT

OK = Check("a.one", "group a", "one", Status.OK, "fine")
NO = Check("a.second", "group a", "second", Status.NO, "not there", "because " * 20 + "of it", "do this")
INFO = Check("b.three", "group b", "three", Status.INFO, "7")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def text(report: Report, *, colour: bool = False) -> str:
    out = io.StringIO()
    write_text(report, out, colour=colour)
    return out.getvalue()


def test_the_verdict_of_a_kernel_that_takes_everything() -> None:
    assert Report(FULL, ()).verdict == (
        "The kernel can encrypt here: tls=kernel, TLS 1.3 and TLS 1.2, "
        "AES-128-GCM AES-256-GCM CHACHA20-POLY1305; receive in kernel: yes"
    )


def test_the_verdict_says_why_receiving_stays_outside() -> None:
    assert Report(BELOW_FLOORS, ()).verdict.endswith(
        "receive in kernel: no (Linux 6.12.20 has remotely triggerable receive bugs, fixed in 6.12.49 (CVE-2025-39946))"
    )
    sends_only = replace(FULL, rx=frozenset())
    assert Report(sends_only, ()).verdict.endswith("receive in kernel: no (it takes no key for receiving)")


def test_the_verdict_names_versions_apart_where_they_differ() -> None:
    kernel = replace(FULL, tx=FULL.tx - {(TlsVersion.TLS1_2, Cipher.CHACHA20_POLY1305)})
    assert "tls=kernel, TLS 1.3 (AES-128-GCM AES-256-GCM CHACHA20-POLY1305), TLS 1.2 (AES-128-GCM AES-256-GCM);" in (
        Report(kernel, ()).verdict
    )


def test_the_verdict_leaves_out_a_version_without_ciphers() -> None:
    kernel = replace(FULL, tx=frozenset({(TlsVersion.TLS1_2, Cipher.AES_128_GCM)}))
    assert "tls=kernel, TLS 1.2, AES-128-GCM; receive" in Report(kernel, ()).verdict


def test_the_verdict_without_kernel_tls_says_who_encrypts_and_why() -> None:
    assert Report(NONE, ()).verdict == f"The kernel can't encrypt here, OpenSSL does (tls=userspace): {NONE.reason}"


def test_text_is_the_verdict_and_aligned_groups() -> None:
    lines = text(Report(FULL, (OK, NO, INFO))).splitlines()
    assert lines[0].startswith("The kernel can encrypt here")
    assert lines[1:5] == ["", "group a", "  ok       one     fine", "  no       second  not there"]
    assert lines[5].startswith("                   why:  because because")
    assert lines[6].startswith("                         because")
    assert lines[-6:-2] == ["                   cure: do this", "", "group b", "  info     three   7"]
    assert lines[-2:] == ["", f"How to set up a host, step by step: {HOST_SETUP}"]
    assert (CHECKOUT / HOST_SETUP).is_file()
    assert max(map(len, lines[1:])) <= 118
    assert "\x1b" not in "".join(lines)


def test_text_without_kernel_tls_says_what_to_do_at_once_and_not_again() -> None:
    again = Check("k", "g", "n", Status.NO, "no", NONE.reason, NONE.cure)
    lines = text(Report(NONE, (again, replace(again, id="l", name="m")))).splitlines()
    assert lines[1] == f"What to do: {NONE.cure}"
    assert not [line for line in lines if "why:" in line or "cure:" in line]


def test_the_same_advice_is_given_once() -> None:
    assert text(Report(FULL, (NO, replace(NO, id="a.third", name="third")))).count("do this") == 1


def test_colour_is_on_the_status_alone() -> None:
    coloured = text(Report(FULL, (OK, NO)), colour=True)
    assert "  \x1b[32mok     \x1b[0m  one     fine\n" in coloured
    assert coloured.count("\x1b[31m") == 1


@pytest.mark.parametrize(
    ("out", "environ", "expected"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colours_only_for_who_wants_them(out: io.StringIO, environ: dict[str, str], expected: bool) -> None:
    assert wants_colour(out, environ) is expected


def test_json_has_the_same_content() -> None:
    refusal = Refusal(Direction.RX, TlsVersion.TLS1_3, Cipher.AES_256_GCM, reason="why", cure="cure")
    kernel = replace(FULL, rx=frozenset({(TlsVersion.TLS1_2, Cipher.AES_128_GCM)}), refusals=(refusal,))
    report = Report(kernel, (OK, NO))
    out = io.StringIO()
    write_json(report, out)
    found = json.loads(out.getvalue())
    assert found.keys() == {"schema", "verdict", "checks", "kernel"}
    assert found["schema"] == 1
    assert found["verdict"] == report.verdict
    assert found["checks"][1] == {
        "id": "a.second",
        "group": "group a",
        "name": "second",
        "status": "no",
        "detail": "not there",
        "reason": NO.reason,
        "cure": "do this",
    }
    assert found["kernel"]["rx"] == [{"version": "TLS 1.2", "cipher": "AES-128-GCM"}]
    assert len(found["kernel"]["tx"]) == 6
    assert found["kernel"]["refusals"] == [
        {"direction": "rx", "version": "TLS 1.3", "cipher": "AES-256-GCM", "reason": "why", "cure": "cure"}
    ]
    assert found["kernel"]["rx_floor"] == {"met": True, "reason": FULL.rx_floor.reason, "cure": ""}
    assert {"available", "reason", "cure", "release", "rx_safe", "tx_floor", "rekey"} <= found["kernel"].keys()


def test_json_is_plain_ascii_whatever_an_interface_is_called() -> None:
    out = io.StringIO()
    write_json(Report(FULL, (replace(OK, detail="\udcff é"),)), out)
    assert out.getvalue().isascii()
