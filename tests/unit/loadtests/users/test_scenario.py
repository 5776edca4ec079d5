from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.errors import ConfigError
from loadtests.users.contents import manifest_of_scenario
from loadtests.users.document import parse_document
from loadtests.users.mix import Mix
from loadtests.users.scenario import Scenario, load_scenario

FOLDER = Path(__file__).resolve().parents[4] / "loadtests" / "scenarios"
REQUEST = '[[request]]\nname = "page"\npaths = "/pages/*"\n'


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_document(Scenario, text)
    return [f"{key}: {message}" for key, message in caught.value.problems]


def test_what_is_left_out_has_a_default() -> None:
    scenario = parse_document(Scenario, REQUEST)
    assert scenario.request[0].parallel == 1
    assert scenario.users.think_s == (0.0, 0.0)
    assert scenario.load.shape == "options"
    assert scenario.file == ()


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.toml")), ids=lambda file: file.stem)
def test_those_that_come_with_it_are_right(file: Path) -> None:
    """Each names files, and each of its requests finds some."""
    scenario = load_scenario(file)
    Mix(scenario, manifest_of_scenario(scenario))


def test_there_is_something_to_do() -> None:
    assert problems("") == ["request: is missing: What users do."]


def test_rows_have_names_of_their_own() -> None:
    assert problems(f"{REQUEST}{REQUEST}weight = 2\n") == [
        'request[1].name: "page" is the name of another request, too (line 5)'
    ]


def test_conditions_are_for_whole_files() -> None:
    assert "request[0].pieces: must be 1 where conditional" in problems(REQUEST + "pieces = 2\nconditional = true\n")[0]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/a.html", "must hold {n}"),
        ("/{n}/{m}", "may hold braces only as {n}"),
        ("/../{n}", "must be a path such as"),
        ("a/{n}", "must be a path such as"),
        ("/a b{n}", "must be a path such as"),
        ("/{n}/", "must be a path such as"),
    ],
)
def test_paths_of_files(path: str, message: str) -> None:
    (problem,) = problems(f'{REQUEST}[[file]]\npath = "{path}"\ncount = 2\nbytes = 1\n')
    assert problem.startswith("file[0].path: ")
    assert message in problem


def test_a_shape_is_one_of_four() -> None:
    (problem,) = problems(REQUEST + '[load]\nshape = "cliff"\n')
    assert problem.startswith('load.shape: must be "options", "ramp", "hold" or "spike", not "cliff"')
