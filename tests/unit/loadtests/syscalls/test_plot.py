from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from loadtests.syscalls.plot import plot
from loadtests.syscalls.results import Results
from tests.support.call_measurements import exact_results

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.slow
def test_the_picture_names_what_it_shows() -> None:
    texts = {"".join(text.itertext()) for text in ET.fromstring(plot(exact_results())).iter(f"{SVG}text")}
    assert {"sendto", "sendmmsg", "GSO, cut by the kernel", "sendfile", "the claim: 300 % at 1, 10 % at 32"} <= texts
    assert {"1", "32", "128"} <= texts
    # Nothing was measured of it.
    assert "GSO, left for a network card to cut" not in texts


@pytest.mark.slow
def test_what_is_dark_on_light_is_light_in_the_dark() -> None:
    picture = plot(exact_results())
    rules = dict(re.findall(r'style\*="((?:fill|stroke): #\w+)"\] \{ \w+: (#\w+)', picture))
    assert len(rules) == 4
    for light, dark in rules.items():
        assert picture.count(light) > 1, f"no element has {light}"
        assert (int(light[-2:], 16) > 127) != (int(dark[-2:], 16) > 127)
    # A text without a colour of its own would be black.
    for text in ET.fromstring(picture).iter(f"{SVG}text"):
        fill = re.search(r"fill: #\w+", text.get("style", ""))
        assert fill is not None
        assert fill[0] in rules


@pytest.mark.slow
def test_the_same_figures_give_the_same_bytes() -> None:
    assert plot(exact_results()) == plot(exact_results())


@pytest.mark.slow
def test_without_figures_there_is_an_empty_picture() -> None:
    assert ET.fromstring(plot(Results("", {}, (), []))).tag == f"{SVG}svg"
