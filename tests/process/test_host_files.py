"""What config/ has for the host: kernel settings and modules, against this kernel and what the doctor says of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ktlsserve.config import Config, Limits
from ktlsserve.doctor import machine_checks
from ktlsserve.doctor.check import Facts, Status
from ktlsserve.doctor.machine_checks import MACHINE_EXAMINATIONS
from tests.support.host_files import MODULES_LOAD, SYSCTL, modules_to_load, sysctls
from tests.support.kernel_tls import FULL
from tests.support.machines import MachineBuilder
from tests.support.server import CHECKOUT

SETTINGS = sysctls()
HOST_SETUP = (CHECKOUT / "config" / "host-setup.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", SETTINGS)
def test_the_kernel_knows_the_setting(key: str) -> None:
    path = Path("/proc/sys", *key.split("."))
    assert path.is_file()
    # As many numbers as the kernel has there.
    assert len(SETTINGS[key].split()) == len(path.read_text().split())


@pytest.mark.parametrize("cpus", [1, 64])
def test_the_doctor_is_content_with_the_settings(cpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "usable_cpus", lambda: cpus)
    files = {f"/proc/sys/{key.replace('.', '/')}": f"{value}\n" for key, value in SETTINGS.items()}
    facts = Facts(MachineBuilder(tmp_path).build(files), FULL, module_before=None, tls_stat_before=None)
    ids = {"network.notsent_lowat", "network.somaxconn", "limits.inotify"}
    found = [check for one in MACHINE_EXAMINATIONS if one.id in ids for check in one.run(facts)]
    assert {check.id: check.status for check in found} == dict.fromkeys(ids, Status.OK)


def test_each_setting_has_its_reason_above_it() -> None:
    paragraphs = SYSCTL.read_text(encoding="utf-8").split("\n\n")
    found = [re.fullmatch(r"(?:# .+\n)+([a-z0-9_.]+) = .+\n?", paragraph) for paragraph in paragraphs]
    assert [match[1] for match in found if match is not None] == list(SETTINGS)


def test_defaults_are_told_as_they_are() -> None:
    text = SYSCTL.read_text(encoding="utf-8")
    told = re.findall(r"(limits|files)\.(\w+) \((\d+)\)", text)
    assert len(told) == 2
    for table, key, value in told:
        assert getattr(getattr(Config(), table), key) == int(value)
    unit = (CHECKOUT / "config" / "ktlsserve.socket").read_text(encoding="utf-8")
    assert f"Backlog={SETTINGS['net.core.somaxconn']}\n" in unit
    threads = Config().files.read_threads
    assert f"64 CPUs and the default of {threads} threads that is {2 * 64 * (1 + threads) + 1} with" in HOST_SETUP
    assert f"{Limits().connections * 2 + machine_checks.SPARE_DESCRIPTORS} at least" in HOST_SETUP


def test_the_modules_are_those_that_matter() -> None:
    assert modules_to_load() == ["tls", "aesni_intel"]


def test_the_files_that_are_named_exist() -> None:
    for name in re.findall(r"\]\(([^)#]+)\)", HOST_SETUP):
        assert (CHECKOUT / "config" / name).is_file(), name
    for installed in (SYSCTL, MODULES_LOAD):
        target = re.search(rf"config/{installed.name} (/\S+)", HOST_SETUP)
        assert target is not None
        assert re.sub(r"\n# ", " ", installed.read_text(encoding="utf-8")).count(target[1]) == 1


def test_settings_of_the_server_that_are_named_exist() -> None:
    config = Config()
    tables = {name: getattr(config, name) for name in ("server", "files", "limits", "timeouts", "defaults")}
    named = re.findall(rf"`({'|'.join(tables)})\.(\w+)", HOST_SETUP)
    assert len(named) > 3
    for table, key in named:
        assert hasattr(tables[table], key), f"{table}.{key}"
