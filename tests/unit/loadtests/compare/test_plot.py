from __future__ import annotations

from xml.etree import ElementTree as ET

from loadtests.compare.plot import plot
from loadtests.compare.rows import Row, make_rows
from loadtests.compare.samples import BY_KEY, RowKey, Sample

SVG = "{http://www.w3.org/2000/svg}"
METRIC = BY_KEY["cpu_s_per_gb"]


def row(name: str, *values: float, protocol: str = "http/1.1") -> Row:
    key = RowKey(name, protocol, 1500, "large")
    return make_rows([Sample(key, number, 1, 0, {"cpu_s_per_gb": value}) for number, value in enumerate(values)])[0]


def texts(svg: str, kind: str) -> list[str | None]:
    return [found.text for found in ET.fromstring(svg).iter(f"{SVG}text") if found.get("class") == kind]


def test_the_cheapest_comes_first_and_the_refused_last() -> None:
    red = make_rows([Sample(RowKey("qh3", "h3", 1500, "large"), 0, problem="it ended")])[0]
    svg = plot([red, row("aioquic", 74.0, protocol="h3"), row("ktlsserve", 0.85)], METRIC, "CPU")
    assert texts(svg, "name") == ["ktlsserve", "aioquic", "qh3"]
    assert texts(svg, "value") == ["0.85 · 1×", "74"]
    assert texts(svg, "bad") == ["refused"]


def test_the_scale_is_logarithmic_and_holds_all() -> None:
    svg = plot([row("a", 1.0), row("b", 10.0), row("c", 100.0)], METRIC, "CPU")
    assert texts(svg, "axis") == ["1", "10", "100"]
    x = [float(found.get("cx", "")) for found in ET.fromstring(svg).iter(f"{SVG}circle")]
    assert x[1] - x[0] == x[2] - x[1] > 0


def test_spread_is_a_bar_around_the_mark() -> None:
    svg = ET.fromstring(plot([row("a", 2.0, 3.0, 5.0)], METRIC, "CPU"))
    (bar,) = [found.get("d", "") for found in svg.iter(f"{SVG}path") if "spread" in found.get("class", "")]
    (mark,) = svg.iter(f"{SVG}circle")
    least, most = float(bar[1:].split()[0]), float(bar.rpartition("H")[2])
    assert least < float(mark.get("cx", "")) < most


def test_protocols_differ_in_shape_too() -> None:
    svg = ET.fromstring(plot([row("tls", 1.0), row("quic", 2.0, protocol="h3")], METRIC, "CPU"))
    assert [found.get("class") for found in svg.iter(f"{SVG}circle")] == ["tls"]
    assert [found.get("class") for found in svg.iter(f"{SVG}path")].count("quic") == 1


def test_nothing_but_refused_rows_is_drawn_as_well() -> None:
    red = make_rows([Sample(RowKey("qh3", "h3", 1500, "large"), 0, problem="it ended")])[0]
    assert texts(plot([red], METRIC, "CPU"), "bad") == ["refused"]


def test_a_value_of_nothing_has_a_place() -> None:
    assert texts(plot([row("a", 0.0), row("b", 2.0)], METRIC, "CPU"), "value") == ["0", "2"]


def test_markup_in_names_is_text() -> None:
    svg = plot([row("<b>&", 1.0)], METRIC, "<i>")
    assert texts(svg, "name") == ["<b>&"]
    title = ET.fromstring(svg).find(f"{SVG}title")
    assert title is not None
    assert title.text == "<i>"
