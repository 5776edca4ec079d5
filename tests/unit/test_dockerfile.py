"""The files of the container image that need no container to be looked at; tests/image builds and runs it."""

from __future__ import annotations

import json
import re
import tomllib

import yaml

from ktlsserve import __version__
from ktlsserve.config.file import parse_config
from tests.image.base import NAME
from tests.support.server import CHECKOUT

RELEASE = __version__.removesuffix(".dev0")
TEXT = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
# Instructions, each on one line.
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"\\\n\s*", "", TEXT).splitlines()
    if line and not line.startswith("#")
]


def the(name: str) -> list[str]:
    return [words for instruction, words in INSTRUCTIONS if instruction == name]


def test_any_builder_can_build_it() -> None:
    """Docker without BuildKit, buildah and kaniko: nothing that only some of them know, no frontend to be fetched."""
    assert "syntax=" not in TEXT
    assert "<<" not in TEXT
    assert "--link" not in TEXT
    assert "--mount" not in TEXT
    assert "--chmod" not in TEXT


def test_both_stages_begin_with_the_same_base() -> None:
    """An environment is bound to the Python that it was made with."""
    assert [words.split()[0] for words in the("FROM")] == [NAME] * 2


def test_the_version_is_that_of_the_package() -> None:
    assert f"VERSION={RELEASE}" in the("ARG")


def test_what_is_started_is_started_without_a_shell() -> None:
    for name in ("ENTRYPOINT", "CMD"):
        (words,) = the(name)
        assert json.loads(words)
    (health,) = the("HEALTHCHECK")
    assert json.loads(health[health.index("[") :]) == ["ktlsserve", "healthcheck"]


def test_the_builder_sees_what_the_wheel_and_the_image_are_made_of_and_nothing_else() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    seen = {rule[1:] for rule in rules if rule.startswith("!")}
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    of_wheel = {*wheel["packages"], *wheel.get("shared-data", {}), project["project"]["readme"], "pyproject.toml"}
    of_image = {"config/container.toml", "config/site", *project["project"]["license-files"]}
    assert of_wheel | of_image <= seen
    # What the program itself is accompanied by, where it is.
    assert seen - of_wheel - of_image <= {"share"}
    assert all(re.search(rf"\bcp (-R )?{re.escape(source)} ", TEXT) for source in of_image)


def test_its_configuration_is_valid_and_can_be_asked_for_its_health() -> None:
    config = parse_config((CHECKOUT / "config" / "container.toml").read_text(encoding="utf-8"), root_needed=True)
    ports = {f"{address.port}" for address in config.server.listen}
    assert ports == set(the("EXPOSE"))
    assert [address.host for address in config.server.listen] == ["0.0.0.0", "::"]
    assert config.server.ready_path
    assert f"cp -R config/site /shipped{config.server.root} " in TEXT
    # Who wants it says so: it tells of the server to whoever reaches it.
    assert config.admin.listen == ()


def test_kubernetes_yaml_knows_user_and_version() -> None:
    documents = yaml.safe_load_all((CHECKOUT / "config" / "kubernetes.yaml").read_text(encoding="utf-8"))
    pod = next(document for document in documents if document["kind"] == "Deployment")["spec"]["template"]["spec"]
    context = pod["securityContext"]
    assert the("USER") == [f"{context['runAsUser']}:{context['runAsGroup']}"]
    assert pod["containers"][0]["image"] == f"ktlsserve:{RELEASE}"
    # Otherwise Kubernetes sets variables that begin like ours, for the Service of that name.
    assert pod["enableServiceLinks"] is False
