from __future__ import annotations

from ktlsserve.config import Config
from ktlsserve.config.table import Table, check_of, settings
from ktlsserve.options import OPTIONS, Said


def test_every_option_says_a_setting_or_what_has_to_be_put_together() -> None:
    assert {option.name for option in OPTIONS if not option.key} == {"config", "cert", "key"}
    for option in OPTIONS:
        if option.key:
            table, _, key = option.key.partition(".")
            shape = check_of(settings(Config)[table])
            assert isinstance(shape, Table)
            assert key in settings(shape.shape), option.key


def test_names_are_written_in_both_places() -> None:
    written = {option.name: (option.flag, option.variable) for option in OPTIONS}
    assert written["root"] == ("ROOT", "KTLSSERVE_ROOT")
    assert written["access_log"] == ("--access-log", "KTLSSERVE_ACCESS_LOG")
    assert len(set(written.values())) == len(OPTIONS)


def test_what_is_said_first_is_laid_over_the_rest() -> None:
    first = Said({"workers": 1}, {"workers": "--workers"})
    rest = Said({"workers": 2, "user": "nobody"}, {"workers": "KTLSSERVE_WORKERS", "user": "KTLSSERVE_USER"})
    both = first.over(rest)
    assert both.overrides() == {"server.workers": 1, "server.user": "nobody"}
    assert both.sources() == {"server.workers": "--workers", "server.user": "KTLSSERVE_USER"}
    assert Said().overrides() == Said().sources() == {}
