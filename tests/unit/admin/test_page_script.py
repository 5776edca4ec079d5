from __future__ import annotations

import re

from ktlsserve.admin.page import page
from ktlsserve.admin.page_script import SCRIPT
from tests.support.snapshots import snapshot


def test_what_it_looks_for_is_in_the_page() -> None:
    text = page(snapshot()).decode()
    named = re.findall(r'getElementById\("(\w+)"\)', SCRIPT)
    assert set(named) == {"silent", "curve", "rate", "graph"}
    for name in named:
        assert f'id="{name}"' in text


def test_it_can_stand_in_an_element_and_says_nothing_of_others() -> None:
    assert "</" not in SCRIPT
    assert "http" not in SCRIPT
    assert "innerHTML" not in SCRIPT
    assert "eval" not in SCRIPT
