"""config/kubernetes.yaml: against Kubernetes' schemas, against itself, and against the server as it would run there."""

from __future__ import annotations

import copy
import http.client
import ssl
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ktlsserve.arguments import serve_parser
from ktlsserve.config.file import parse_config
from ktlsserve.supervisor.stopping import KILL_MARGIN_S
from tests.support.admin_client import AdminClient
from tests.support.host_files import modules_to_load
from tests.support.pki import new_authority, write_pair
from tests.support.server import CHECKOUT, Server
from tests.support.waiting import LIMIT_S

FILE = CHECKOUT / "config" / "kubernetes.yaml"
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(FILE.read_text(encoding="utf-8")))
# The oldest that the file says it is for, and the newest that the schemas know.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
# The capabilities that modprobe needs in the node's file system.
MODPROBE = {"SYS_MODULE", "SYS_CHROOT"}


def the(kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    found = [each for each in OBJECTS if each["kind"] == kind]
    assert len(found) == 1
    return found[0]


POD = the("Deployment")["spec"]["template"]
CONTAINER = POD["spec"]["containers"][0]
PROBES = {name: CONTAINER[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
DOCUMENT = the("ConfigMap")["data"]["ktlsserve.toml"]
CONFIG = parse_config(DOCUMENT)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda manifest: manifest["kind"])
def test_the_schema_is_kept(manifest: dict[str, Any], version: str) -> None:
    """An API version without a schema raises too."""
    kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schema_knows_what_is_wrong() -> None:
    manifest = copy.deepcopy(the("Deployment"))
    manifest["spec"]["template"]["spec"]["terminationGracePeriod"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        kubernetes_validate.validate(manifest, VERSIONS[0], strict=True)
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        kubernetes_validate.validate(manifest | {"apiVersion": "apps/v0"}, VERSIONS[0], strict=True)


def selectors(value: object) -> Iterator[dict[str, str]]:
    """Yield all selectors of pods in an object."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"selector", "labelSelector", "podSelector"}:
                yield inner.get("matchLabels", inner)
            else:
                yield from selectors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from selectors(inner)


@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda manifest: manifest["kind"])
def test_selectors_select_the_pods(manifest: dict[str, Any]) -> None:
    labels = (the("DaemonSet")["spec"]["template"] if manifest["kind"] == "DaemonSet" else POD)["metadata"]["labels"]
    for selector in selectors(manifest):
        assert selector
        assert selector.items() <= labels.items()


def test_every_kind_that_selects_does() -> None:
    found = {manifest["kind"]: len(list(selectors(manifest))) for manifest in OBJECTS}
    expected = {"Deployment": 3, "Service": 1, "PodDisruptionBudget": 1, "NetworkPolicy": 1, "DaemonSet": 1}
    assert {kind: count for kind, count in found.items() if count} == expected


def test_names_that_refer_to_others_are_theirs() -> None:
    namespace = the("Namespace")["metadata"]["name"]
    for manifest in OBJECTS:
        if manifest["kind"] not in {"Namespace", "DaemonSet"}:
            assert manifest["metadata"]["namespace"] == namespace
    volumes = {volume["name"]: volume for volume in POD["spec"]["volumes"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == volumes.keys()
    assert volumes["config"]["configMap"]["name"] == the("ConfigMap")["metadata"]["name"]
    target = the("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    deployment = the("Deployment")
    assert (target["apiVersion"], target["kind"]) == (deployment["apiVersion"], deployment["kind"])
    assert target["name"] == deployment["metadata"]["name"]
    # It would set back what the autoscaler has decided, at every apply.
    assert "replicas" not in deployment["spec"]


def test_numbers_are_in_order() -> None:
    autoscaler = the("HorizontalPodAutoscaler")["spec"]
    # With one pod the budget would let the last one go.
    assert 2 <= autoscaler["minReplicas"] < autoscaler["maxReplicas"]
    assert the("PodDisruptionBudget")["spec"]["maxUnavailable"] < autoscaler["minReplicas"]
    # Utilisation is in per cent of what is requested.
    assert "cpu" in CONTAINER["resources"]["requests"]
    assert float(CONTAINER["resources"]["limits"]["cpu"]) == 2


def test_there_is_time_for_the_drain() -> None:
    sleep_s = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace_s = POD["spec"]["terminationGracePeriodSeconds"]
    assert 0 < CONFIG.server.drain_pause_s < CONFIG.server.drain_s
    assert sleep_s + CONFIG.server.drain_s + KILL_MARGIN_S < grace_s


def test_ports_are_those_that_the_server_listens_on() -> None:
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"https": CONFIG.server.listen[0].port, "admin": CONFIG.admin.listen[0].port}
    assert the("Service")["spec"]["ports"][0]["targetPort"] == "https"
    assert {rule["ports"][0]["port"] for rule in the("NetworkPolicy")["spec"]["ingress"]} == ports.keys()
    assert POD["metadata"]["annotations"]["prometheus.io/port"] == str(ports["admin"])
    # Unprivileged users can't bind lower ones.
    assert min(ports.values()) >= 1024


def test_paths_are_those_that_are_mounted() -> None:
    mounts = {mount["name"]: Path(mount["mountPath"]) for mount in CONTAINER["volumeMounts"]}
    (pair,) = CONFIG.tls.certificates
    # The names in a Secret of the type kubernetes.io/tls.
    assert (Path(pair.cert), Path(pair.key)) == (mounts["tls"] / "tls.crt", mounts["tls"] / "tls.key")
    assert Path(CONFIG.server.root) == mounts["site"]
    command, *arguments = CONTAINER["args"]
    assert command == "serve"
    assert Path(serve_parser().parse_args(arguments).config) == mounts["config"] / "ktlsserve.toml"


def test_the_pods_are_restricted() -> None:
    """What the level "restricted" of the pod security standards asks for, and a read-only file system."""
    assert the("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pod = POD["spec"]["securityContext"]
    assert pod["runAsNonRoot"]
    assert pod["runAsUser"] == pod["runAsGroup"] == pod["fsGroup"] == 10001
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    container = CONTAINER["securityContext"]
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"]
    assert not container["allowPrivilegeEscalation"]
    assert all(mount["readOnly"] for mount in CONTAINER["volumeMounts"])
    assert not POD["spec"]["automountServiceAccountToken"]
    assert not any("hostPath" in volume for volume in POD["spec"]["volumes"])
    secret = next(volume["secret"] for volume in POD["spec"]["volumes"] if "secret" in volume)
    assert secret["defaultMode"] == 0o440


def test_only_modprobe_has_rights() -> None:
    pod = the("DaemonSet")["spec"]["template"]["spec"]
    (modprobe,), (wait,) = pod["initContainers"], pod["containers"]
    assert set(modprobe["securityContext"]["capabilities"]["add"]) == MODPROBE
    assert "privileged" not in modprobe["securityContext"]
    assert "add" not in wait["securityContext"]["capabilities"]
    assert "volumeMounts" not in wait
    assert modprobe["command"][1] == modprobe["volumeMounts"][0]["mountPath"]
    for module in modules_to_load():
        assert f" {module} " in modprobe["command"][-1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server with the configuration of the ConfigMap, but for what this machine hasn't: its ports and paths."""
    folder = tmp_path_factory.mktemp("kubernetes")
    root = folder / "root"
    root.mkdir()
    cert, key = write_pair(folder, "tls", new_authority().issue("tls", ["localhost"]))
    tables = tomllib.loads(DOCUMENT)
    changed: dict[str, object] = {
        "server.root": str(root),
        "server.listen": ["127.0.0.1:0"],
        "admin.listen": ["127.0.0.2:0"],
        "tls.certificates": [{"cert": str(cert), "key": str(key)}],
    }
    settings = {f"{table}.{name}": value for table, keys in tables.items() for name, value in keys.items()} | changed
    with Server(folder / "server", root, workers=2, settings=settings) as running:
        yield running
        # Not the thirteen seconds of the drain.
        running.kill()


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBES)
def test_the_server_answers_the_probe(name: str, server: Server) -> None:
    probe = PROBES[name]
    if probe["port"] == "admin":
        assert "scheme" not in probe
        assert AdminClient(server).ask(probe["path"])[0] == 200
        return
    assert probe["scheme"] == "HTTPS"
    # The kubelet looks at no certificate.
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(*server.address, timeout=LIMIT_S, context=context)
    try:
        connection.request("GET", probe["path"])
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()
    assert response.status == 200
