from __future__ import annotations

import pytest

from tests.support.colours import Colour, contrast, css_colour

WHITE, BLACK = Colour(255, 255, 255), Colour(0, 0, 0)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (WHITE, BLACK, 21.0),
        (WHITE, WHITE, 1.0),
        # The darkest grey that has too little contrast with white, and the one beside it that has enough.
        (Colour(119, 119, 119), WHITE, 4.48),
        (WHITE, Colour(118, 118, 118), 4.54),
    ],
)
def test_contrast(one: Colour, other: Colour, expected: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(expected, abs=0.005)


def test_computed_values() -> None:
    assert css_colour("rgb(1, 2, 3)") == css_colour("rgba(1, 2, 3, 1)") == Colour(1, 2, 3)
    with pytest.raises(AssertionError):
        css_colour("rgba(1, 2, 3, 0.5)")
