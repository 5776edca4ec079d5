import os
import subprocess
from pathlib import Path

import pytest

from tests.vm.services import disable, no_service_starts


def test_a_policy_refuses_while_packages_are_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with no_service_starts(policy):
        assert subprocess.run([policy, "nginx", "start"], check=False).returncode == 101
    assert not policy.exists()


def test_it_goes_when_the_installation_fails(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with pytest.raises(RuntimeError), no_service_starts(policy):
        raise RuntimeError
    assert not policy.exists()


def test_a_policy_that_was_left_behind_goes_too(tmp_path: Path) -> None:
    policy, copy = tmp_path / "policy-rc.d", tmp_path / "copy"
    with no_service_starts(policy):
        copy.write_bytes(policy.read_bytes())
    policy.write_bytes(copy.read_bytes())
    with no_service_starts(policy):
        assert os.access(policy, os.X_OK)
    assert not policy.exists()


def test_a_policy_of_the_machine_stays(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n", encoding="utf-8")
    with no_service_starts(policy):
        pass
    assert policy.read_text(encoding="utf-8") == "#!/bin/sh\nexit 104\n"


def test_services_are_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "update-rc.d"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$1" != lost ]\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "systemctl").symlink_to(program)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    disable(["nginx", "lost", "podman.socket"])
    said = (tmp_path / "calls").read_text(encoding="utf-8")
    assert said == "nginx disable\nlost disable\ndisable podman.socket\n"
    said = capsys.readouterr().out
    assert ("lost" in said, "nginx" in said) == (True, False)
