"""config/loadtest-job.yaml: against Kubernetes' schemas, against itself, and its arguments against Locust's own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from loadtests.users.contents import manifest_of_scenario
from loadtests.users.document import parse_document
from loadtests.users.mix import Mix
from loadtests.users.scenario import Scenario
from loadtests.users.thresholds import Thresholds
from tests.support.server import CHECKOUT
from tests.support.waiting import LIMIT_S

OBJECTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((CHECKOUT / "config" / "loadtest-job.yaml").read_text(encoding="utf-8"))
)
DEPLOYED: list[dict[str, Any]] = list(
    yaml.safe_load_all((CHECKOUT / "config" / "kubernetes.yaml").read_text(encoding="utf-8"))
)
# The oldest that the file says it is for, and the newest that the schemas know.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
# Locust's own, which workers connect to unless they are told otherwise.
LOCUST_PORT = 5557


def named(kind: str, name: str, objects: list[dict[str, Any]] = OBJECTS) -> dict[str, Any]:
    (found,) = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


MASTER, WORKER = named("Job", "loadtest-master"), named("Job", "loadtest-worker")
JOBS = pytest.mark.parametrize("job", [MASTER, WORKER], ids=["master", "worker"])
DATA = named("ConfigMap", "loadtest")["data"]


def pod(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]["spec"]
    return found


def container(job: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod(job)["containers"]
    return dict(found)


def option(job: dict[str, Any], name: str) -> str:
    """Return the value of an option among the arguments."""
    (found,) = [argument.partition("=")[2] for argument in container(job)["args"] if argument.startswith(f"{name}=")]
    return str(found)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_the_schema_is_kept(manifest: dict[str, Any], version: str) -> None:
    """An API version without a schema raises too."""
    kubernetes_validate.validate(manifest, version, strict=True)


def test_all_is_in_one_namespace() -> None:
    namespace = named("Namespace", "ktlsserve-loadtest")["metadata"]["name"]
    assert {each["metadata"].get("namespace", namespace) for each in OBJECTS} == {namespace}
    assert len({(each["kind"], each["metadata"]["name"]) for each in OBJECTS}) == len(OBJECTS)


def test_the_service_leads_to_the_master_and_not_to_workers() -> None:
    service = named("Service", option(WORKER, "--master-host"))["spec"]
    master, worker = (job["spec"]["template"]["metadata"]["labels"] for job in (MASTER, WORKER))
    assert service["selector"].items() <= master.items()
    assert not service["selector"].items() <= worker.items()
    (port,) = service["ports"]
    (exposed,) = container(MASTER)["ports"]
    assert (port["port"], port["targetPort"]) == (LOCUST_PORT, exposed["name"])
    assert exposed["containerPort"] == LOCUST_PORT
    (spread,) = pod(WORKER)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == worker


def test_the_master_waits_for_as_many_workers_as_there_are() -> None:
    workers = WORKER["spec"]
    assert int(option(MASTER, "--expect-workers")) == workers["parallelism"] == workers["completions"]


def test_there_is_time_for_the_run() -> None:
    longest_s = int(option(MASTER, "--expect-workers-max-wait")) + int(option(MASTER, "--run-time").rstrip("s"))
    for job in (MASTER, WORKER):
        assert longest_s + 60 < job["spec"]["activeDeadlineSeconds"]


@JOBS
def test_nothing_is_tried_again(job: dict[str, Any]) -> None:
    """A worker that came back would be another one, and a master's second run another run."""
    assert job["spec"]["backoffLimit"] == 0
    assert pod(job)["restartPolicy"] == "Never"


@JOBS
def test_the_files_are_those_of_the_config_map(job: dict[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in pod(job)["volumes"]}
    mounts = {mount["name"]: mount for mount in container(job)["volumeMounts"]}
    assert mounts.keys() == volumes.keys()
    assert volumes["scenario"]["configMap"]["name"] == named("ConfigMap", "loadtest")["metadata"]["name"]
    folder = Path(mounts["scenario"]["mountPath"])
    assert Path(option(job, "--scenario")) == folder / "scenario.toml"
    assert "scenario.toml" in DATA
    if job is MASTER:
        assert Path(option(job, "--thresholds")) == folder / "thresholds.toml"
        # The file system is read-only elsewhere.
        assert Path(option(job, "--results")).parent == Path(mounts["tmp"]["mountPath"])
        assert "readOnly" not in mounts["tmp"]


def test_scenario_and_thresholds_are_right() -> None:
    scenario = parse_document(Scenario, DATA["scenario.toml"])
    Mix(scenario, manifest_of_scenario(scenario))
    parse_document(Thresholds, DATA["thresholds.toml"])


def test_both_connect_to_the_service_of_the_deployment() -> None:
    service = named("Service", "ktlsserve", DEPLOYED)
    (port,) = service["spec"]["ports"]
    meta = service["metadata"]
    for job in (MASTER, WORKER):
        assert option(job, "--connect-to") == f"{meta['name']}.{meta['namespace']}.svc:{port['port']}"
    assert container(MASTER)["args"][0] == container(WORKER)["args"][0] == "HttpsUser"


@JOBS
def test_the_pods_are_restricted(job: dict[str, Any]) -> None:
    assert (
        named("Namespace", "ktlsserve-loadtest")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )
    security = pod(job)["securityContext"]
    assert security["runAsNonRoot"]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    own = container(job)["securityContext"]
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert own["readOnlyRootFilesystem"]
    assert not own["allowPrivilegeEscalation"]
    assert not pod(job)["automountServiceAccountToken"]


def test_the_image_has_what_the_jobs_start() -> None:
    """Its name, its user, and the file that its entry point names."""
    dockerfile = (CHECKOUT / "loadtests" / "Dockerfile").read_text(encoding="utf-8")
    (tag,) = re.findall(r"--tag (\S+)", dockerfile)
    (user,) = re.findall(r"^USER (\d+):\d+$", dockerfile, re.MULTILINE)
    for job in (MASTER, WORKER):
        assert container(job)["image"] == tag
        assert pod(job)["securityContext"]["runAsUser"] == int(user)
        assert "command" not in container(job)
    for line in re.findall(r"^COPY (.*)$", dockerfile, re.MULTILINE):
        assert all((CHECKOUT / source).exists() for source in shlex.split(line)[:-1])
    (folder,) = re.findall(r"^WORKDIR (\S+)$", dockerfile, re.MULTILINE)
    (locustfile,) = re.findall(r'"(\S+locustfile\.py)"', dockerfile)
    assert (CHECKOUT / Path(locustfile).relative_to(folder)).is_file()


@pytest.mark.slow
@JOBS
def test_locust_takes_the_arguments(job: dict[str, Any], tmp_path: Path) -> None:
    """All of them, with the files of the ConfigMap; --list ends it before it would connect anywhere."""
    for name, content in DATA.items():
        (tmp_path / name).write_text(content)
    arguments = [
        argument.replace("=/tmp", f"={tmp_path}").replace("=/etc/loadtest", f"={tmp_path}")
        for argument in container(job)["args"]
    ]
    locust = [sys.executable, "-m", "locust", "-f", str(CHECKOUT / "loadtests" / "locustfile.py")]
    ended = subprocess.run(
        [*locust, *arguments, "--list"], check=False, capture_output=True, text=True, timeout=LIMIT_S, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    assert "HttpsUser" in ended.stdout
