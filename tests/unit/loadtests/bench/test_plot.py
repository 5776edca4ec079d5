from __future__ import annotations

from xml.etree import ElementTree as ET

from loadtests.bench.comparing import Figure, Spread
from loadtests.bench.plot import plot

SVG = "{http://www.w3.org/2000/svg}"


def figure(case: str, metric: str, least: float, middle: float, most: float) -> Figure:
    return Figure(case, "a & b", metric, Spread(1.0, 1.0, 1.0, 3), "nginx", Spread(middle, least, most, 3))


def dots(svg: str) -> list[float]:
    return [float(dot.attrib["cx"]) for dot in ET.fromstring(svg).iter(f"{SVG}circle")]


def test_ratios_lie_on_a_log_scale() -> None:
    half, same, double = dots(
        plot([figure(str(ratio), "requests_per_s", ratio, ratio, ratio) for ratio in (0.5, 1, 2)])
    )
    assert same - half == double - same > 0


def test_the_scale_grows_with_the_ratios() -> None:
    image = plot([figure("a", "requests_per_s", 0.1, 3.0, 9.0)])
    texts = [text.text for text in ET.fromstring(image).iter(f"{SVG}text")]
    assert {"1/16", "1", "16"} <= set(texts)
    assert len(dots(image)) == 1


def test_one_metric_for_each_case() -> None:
    figures = [figure("a", "p99_ms", 1, 1, 1), figure("a", "cpu_s_per_gigabyte", 1, 1, 1)]
    assert dots(plot(figures)) == []
    assert len(dots(plot([*figures, figure("a", "requests_per_s", 1, 1, 1)]))) == 1


def test_nothing_compared_is_an_empty_picture() -> None:
    assert dots(plot([Figure("a", "ours", "requests_per_s", Spread(1.0, 1.0, 1.0, 1))])) == []


def test_a_ratio_of_zero_has_a_place() -> None:
    assert len(dots(plot([figure("a", "requests_per_s", 0.0, 0.0, 1.0)]))) == 1
