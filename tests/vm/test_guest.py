"""What is prepared for a guest before it boots; booting itself is what the stand-ins of kernels.toml do."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vm import guest
from tests.vm.errors import BootError
from tests.vm.exchange import CHECKOUT
from tests.vm.guest import Guest, GuestOptions
from tests.vm.kernels import Kernel


class Boots:
    """Stands in for the programs that boot: `script` is run instead, with the folder of exchange as its argument."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.script = "exit 1"

    def command(self, _kernel: Kernel, exchange: Path, _options: GuestOptions) -> list[str]:
        return ["sh", "-c", self.script, "sh", str(exchange)]

    def guest(self, *command: str, **options: float) -> Guest:
        kernel = Kernel("6.12", "6.12.1-amd64", self.cache / "kernels/6.12.1-amd64")
        return Guest(kernel, command, self.cache, GuestOptions(**options))  # type: ignore[arg-type]


@pytest.fixture
def boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boots:
    stand_in = Boots(tmp_path)
    monkeypatch.setattr(guest, "_vng_command", stand_in.command)
    return stand_in


def test_the_commands_status_and_output_come_back(boots: Boots) -> None:
    boots.script = 'touch "$1/booted"; sh "$1/command.sh" > "$1/output"; echo $? > "$1/status"'
    with boots.guest("sh", "-c", "echo 'two  words'; pwd; exit 3") as running:
        running.wait()
        assert running.exchange.status == 3
        assert running.exchange.text("output") == f"two  words\n{CHECKOUT}\n"


def test_the_folder_of_exchange_goes_with_the_guest(boots: Boots) -> None:
    with boots.guest("true") as running:
        assert running.exchange.path.is_dir()
    assert not running.exchange.path.exists()


def test_a_guest_that_does_not_come_up_is_booted_again(boots: Boots) -> None:
    boots.script = 'echo booting; [ -e "$1/second" ] && touch "$1/booted" && echo 0 > "$1/status"; touch "$1/second"'
    with boots.guest("true") as running:
        running.wait()
        assert running.exchange.status == 0
        assert running.exchange.text("console") == "booting\nbooting\n"


def test_a_guest_that_never_comes_up_has_no_status(boots: Boots) -> None:
    boots.script = "echo no memory; exit 1"
    with boots.guest("true", boot_attempts=3) as running:
        running.wait()
        assert running.exchange.status is None
        assert running.exchange.last_words().count("no memory") == 3


def test_a_guest_that_died_after_it_came_up_is_not_booted_again(boots: Boots) -> None:
    boots.script = 'touch "$1/booted"; echo panic'
    with boots.guest("true") as running:
        running.wait()
        assert running.exchange.text("console") == "panic\n"


def test_a_guest_ends_with_the_process_that_booted_it(boots: Boots) -> None:
    boots.script = "sleep 60"
    with boots.guest("true") as running:
        assert running._process is not None
        assert running._process.stdin is not None
        running._process.stdin.close()  # as the kernel does for a process that is gone
        assert running._process.wait(10) == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("script", ["sleep 60", 'touch "$1/booted"; sleep 60'])
def test_a_guest_that_takes_too_long_is_ended(boots: Boots, script: str) -> None:
    boots.script = script
    with boots.guest("true", boot_limit_s=0.2, limit_s=0.2) as running:
        running.wait()
        assert running.exchange.status is None


def test_what_the_guests_own_file_systems_would_hide_is_carried_over(
    boots: Boots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", "/var/tmp/venv")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    with boots.guest("true") as running:
        settings = running.exchange.text("settings.sh")
    (kept,) = [line for line in settings.splitlines() if line.startswith("KEEP=")]
    assert "/var/tmp/venv" in kept
    assert "/usr" not in kept


def test_only_our_own_variables_are_handed_on(boots: Boots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KTLSSERVE_REQUIRE_KTLS", "1")
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    with boots.guest("true") as running:
        script = running.exchange.text("command.sh")
    assert "export KTLSSERVE_REQUIRE_KTLS=1\n" in script
    assert "SECRET_TOKEN" not in script


def test_a_path_that_the_guest_could_not_be_given_is_refused(boots: Boots, tmp_path: Path) -> None:
    boots.cache = tmp_path / "with space"
    with pytest.raises(BootError, match="with space"):
        boots.guest("true")


def test_the_first_program_of_the_guest_is_a_valid_script() -> None:
    subprocess.run(["sh", "-n", str(Path(guest.__file__).with_name("guest_init.sh"))], check=True)
