"""Tests running in one guest, seen from outside: wait for a test, get its reports or the reason why there are none."""

import re
import time
from collections.abc import Sequence
from pathlib import Path

from tests.vm.exchange import GUEST_PATH
from tests.vm.guest import Guest, GuestOptions
from tests.vm.kernel_tests import INNER_ENVIRONMENT, inner_pytest
from tests.vm.kernels import Kernel
from tests.vm.kvm import kvm_works
from tests.vm.results import Report, Results, split_nodeid

_POLL_S = 0.1
# Longer than the guest's own limit for a phase of a test (guest_plugin): who hears nothing has lost the guest.
_SILENCE_LIMIT_S = 400.0
_COMPLAINTS = re.compile(r"\b(BUG|WARNING|Oops|KASAN|UBSAN|INFO: task|general protection|refcount_t)\b")


def start_run(kernel: Kernel, nodeids: Sequence[str], cache: Path) -> "GuestRun":
    """Boot a guest that runs the tests with the given node ids."""
    files = dict.fromkeys(split_nodeid(nodeid)[0] for nodeid in nodeids)
    command = [*inner_pytest(), f"--events-to={GUEST_PATH}/events", f"--only={GUEST_PATH}/tests", *files]
    environment = {**INNER_ENVIRONMENT, "KTLSSERVE_REQUIRE_KTLS": "1"}
    options = GuestOptions(kvm=kvm_works(kernel, cache), environment=environment)
    tests = "".join(f"{nodeid}\n" for nodeid in nodeids)
    return GuestRun(Guest(kernel, command, cache, options, files={"tests": tests}))


class GuestRun:
    """The run of pytest in a guest."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._results = Results()
        self._position_bytes = 0
        self._last_news_s = time.monotonic()
        self._last_words: str | None = None

    def wait_for(self, nodeid: str) -> tuple[list[Report], str | None]:
        """Wait until a test has finished in the guest.

        Returns its reports, and None or, where the guest ended before the test did, what is known about that.
        """
        while True:
            alive = self._guest.running()  # asked first: what a guest wrote before it ended is not lost
            self._read_events()
            progress = self._results.progress(nodeid)
            if progress is not None and progress.finished:
                return progress.reports, None
            if not alive:
                return (progress.reports if progress is not None else []), self._results.loss(nodeid, self._cause())
            if not self._guest.exchange.booted:
                self._last_news_s = time.monotonic()  # booting has a limit of its own
            elif self._silence_s() > _SILENCE_LIMIT_S:
                self._guest.stop()
            time.sleep(_POLL_S)

    def complaints(self) -> list[str]:
        """Return what the kernel logged as bugs and warnings of its own, once the run has ended."""
        if self._results.ended:
            self._guest.wait()
        return [line for line in self._guest.exchange.text("kernel-log").splitlines() if _COMPLAINTS.search(line)]

    def close(self) -> None:
        """End the guest, if it still runs, and forget its files."""
        self._guest.close()

    def _cause(self) -> str:
        """Say how the guest ended: at length once, for all other tests in short."""
        if self._last_words is not None:
            return f"{self._ending()} (its last words stand with the first test that was lost)"
        self._last_words = self._guest.exchange.last_words()
        return f"{self._ending()}\n{self._last_words}"

    def _ending(self) -> str:
        kernel = self._guest.kernel.release
        if self._guest.exchange.status is not None:
            return f"pytest ended with status {self._guest.exchange.status} in the guest with Linux {kernel}"
        if self._silence_s() > _SILENCE_LIMIT_S:
            return f"the guest with Linux {kernel} was silent for {_SILENCE_LIMIT_S:.0f} s"
        return f"the guest with Linux {kernel} ended by itself"

    def _silence_s(self) -> float:
        return time.monotonic() - self._last_news_s

    def _read_events(self) -> None:
        events = self._guest.exchange.path / "events"
        if not events.exists():
            return
        with events.open("rb") as stream:
            stream.seek(self._position_bytes)
            # Whole lines only: a character of several bytes could be half written.
            complete, newline, _ = stream.read().rpartition(b"\n")
        if newline:
            self._position_bytes += len(complete) + 1
            self._last_news_s = time.monotonic()
            self._results.receive_text(complete.decode("utf-8") + "\n")
