from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from loadtests.capacity import Encrypts, Inputs, inputs_table, need, needs_table
from loadtests.capacity.__main__ import LINKS_GBPS, main
from tests.support.server import CHECKOUT

PAGE = (CHECKOUT / "docs" / "scaling.md").read_text(encoding="utf-8")


def told(name: str) -> str:
    """Return the table that the page has from the program."""
    found = re.search(rf"<!-- python -m loadtests\.capacity: {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_page_says_what_the_program_works_out() -> None:
    assert told("needs") == needs_table(LINKS_GBPS, Inputs())
    assert told("inputs") == inputs_table(Inputs())


def test_the_arithmetic_is_that_of_the_page() -> None:
    """10 Gbit/s by hand."""
    found = need(10, Inputs())
    assert found.payload_gb_per_s == pytest.approx(1.25 * 0.94148 * 0.99866, rel=1e-4)
    assert found.clients == pytest.approx(1.17525 * 1600, abs=1)
    assert found.requests_per_s == pytest.approx(1175.3, rel=1e-3)
    assert found.handshakes_per_s == pytest.approx(58.76, rel=1e-3)
    # Requests and handshakes: 1175 * 13.5 microseconds and 58.8 * 0.64 ms.
    others = 0.01587 + 0.03761
    assert found.cores[Encrypts.USERSPACE] == pytest.approx((1.17525 * 0.85 + others) / 0.6, rel=1e-3)
    assert found.cores[Encrypts.KERNEL] == pytest.approx((1.17525 * 0.85 * 0.54 + others) / 0.6, rel=1e-3)
    assert found.cores[Encrypts.CARD] == pytest.approx((1.17525 * 0.24 + others) / 0.6, rel=1e-3)
    assert found.memory_gb_per_s == pytest.approx(
        {Encrypts.USERSPACE: 7.0515, Encrypts.KERNEL: 4.701, Encrypts.CARD: 1.17525}, rel=1e-3
    )
    assert found.memory_gib[Encrypts.KERNEL] == pytest.approx(1881 * (1401 + 32768 + 125_000) / 2**30, rel=1e-3)


def test_every_input_matters() -> None:
    """Each is told with its source, has an option, and changes what comes out."""
    before = need(100, Inputs())
    for item in fields(Inputs):
        assert item.metadata["source"].startswith(("measured", "assumed", "from how it works")), item.name
        assert need(100, replace(Inputs(), **{item.name: getattr(Inputs(), item.name) * 2})) != before, item.name
        assert f"`{item.name}`" in told("inputs")
        assert re.search(rf"\b{item.name}\b", PAGE.partition("The arithmetic")[2].partition("To that memory")[0])


def test_ones_own_figures_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["25", "--userspace-s-per-gb", "0.4", "--file-bytes", "50000"]) == 0
    said = capsys.readouterr().out
    assert needs_table((25.0,), Inputs(userspace_s_per_gb=0.4, file_bytes=50_000)) in said
    assert "| `file_bytes` | 5e+04 |" in said


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "much"])
def test_what_is_no_figure_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--busy", value])
    assert "--busy" in capsys.readouterr().err
