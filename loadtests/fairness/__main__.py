"""``python -m loadtests.fairness``: small requests with large downloads beside them and without, in turns.

One worker on a processor of its own; wrk with 1,000 keep-alive connections that ask for 1 KiB, and the downloads, on
others. ``busy``: each connection asks again as soon as it has its answer, so that the server is at its limit. ``calm``:
each waits for up to 400 ms between requests, some 5,000 requests a second together: then a download takes the
processor, and a request waits for the slice that is just being sent. What counts is the ratio of the 99th percentiles
of neighbouring runs: the limit is 2.

On a machine that others use too, ``--realtime`` (as root) has the kernel run the server and wrk before everything
else, the downloads next. It leaves the others a twentieth of each second, which spoils the last percent: there
``--percentile 95`` tells more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.bench import wrk
from loadtests.bench.certificate import make_certificate
from loadtests.bench.errors import BenchError, RunFailed, SetupError
from loadtests.bench.peers import CHECKOUT, choose_peers, python_path, with_arguments
from loadtests.bench.place import Place, free_port
from loadtests.bench.processors import Processors, choose_here
from loadtests.bench.servers import Server
from loadtests.bench.workloads import FOLDER, Mode, make_tree, target

LIMIT = 2.0
_LARGE = "1GiB.bin"
_LARGE_BYTES = 1 << 30
_SMALL = "1KiB"
_SCENARIOS = {"busy": "", "calm": "delay = function() return math.random(0, 400) end\n"}
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of wrk: requests a second, latencies, and what the downloads got meanwhile (0 without any)."""

    requests_per_s: float
    p50_ms: float
    high_ms: float
    download_gb_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured."""

    peers: list[str]
    modes: list[Mode]
    scenarios: list[str]
    connections: int
    downloads: int
    rounds: int
    seconds: int
    config: Path | None
    percentile: int
    realtime: bool


def parse_options(arguments: Sequence[str] | None) -> Options:
    """Parse the command line; ends the process where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.fairness",
        description="Measure the latency of small requests with large downloads beside them and without, in turns.",
    )
    parser.add_argument(
        "--peer", nargs="+", default=["ktlsserve"], metavar="NAME", help="ktlsserve, nginx or both [ktlsserve]"
    )
    parser.add_argument(
        "--mode",
        nargs="+",
        choices=[mode.value for mode in Mode],
        default=["plain"],
        metavar="MODE",
        help="who encrypts: plain (nobody), userspace, kernel; or several [plain]",
    )
    parser.add_argument(
        "--scenario",
        nargs="+",
        choices=_SCENARIOS,
        default=list(_SCENARIOS),
        help="busy: the server at its limit; calm: nearly idle [both]",
    )
    parser.add_argument("--connections", type=int, default=1000, metavar="N", help="for small requests [%(default)s]")
    parser.add_argument("--downloads", type=int, default=1, metavar="N", help="of 1 GiB, at a time [%(default)s]")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="pairs of runs [%(default)s]")
    parser.add_argument("--seconds", type=int, default=2, metavar="N", help="of each run [%(default)s]")
    parser.add_argument("--config", type=Path, metavar="FILE", help="of ktlsserve")
    parser.add_argument("--percentile", type=int, default=99, metavar="N", help="of the latencies [%(default)s]")
    parser.add_argument("--realtime", action="store_true", help="run before everything else, as root")
    options = parser.parse_args(arguments)
    return Options(
        options.peer,
        [Mode(mode) for mode in options.mode],
        options.scenario,
        options.connections,
        options.downloads,
        options.rounds,
        options.seconds,
        options.config,
        options.percentile,
        options.realtime,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print.

    Returns 0 where every ratio is within the limit, 1 where one isn't, 2 where nothing was measured, and 130 if
    interrupted.
    """
    options = parse_options(arguments)
    try:
        for program in ("wrk", "taskset"):
            if shutil.which(program) is None:
                raise SetupError(f"{program} isn't installed")
        peers = choose_peers(options.peers, quick=False)
        with tempfile.TemporaryDirectory(prefix="ktlsserve-fairness-") as name:
            worst = max(_measure(peer.name, mode, options, Path(name)) for mode in options.modes for peer in peers)
    except BenchError as error:
        print(f"fairness: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if worst <= LIMIT else 1


def _measure(name: str, mode: Mode, options: Options, folder: Path) -> float:
    """Measure one server in one mode; print and return the worst ratio."""
    place = _prepare(folder / f"{name}-{mode}", mode)
    (peer,) = choose_peers([name], quick=False)
    if options.config is not None and name == "ktlsserve":
        peer = with_arguments(peer, "--config", str(options.config.resolve()))
    ratios: dict[str, float] = {}
    first = replace(choose_here(), priority=2 if options.realtime else 0)
    with Server(peer, place, first) as server:
        for scenario in options.scenarios:
            pairs: list[tuple[Measured, Measured]] = []
            for _ in range(options.rounds):
                alone = _run(place, scenario, options, first)
                with _downloads(place, options.downloads, replace(first, priority=first.priority // 2)) as received:
                    beside = _run(place, scenario, options, first)
                    gigabytes = received() / 1e9
                pairs.append((alone, replace(beside, download_gb_per_s=gigabytes / options.seconds)))
            server.pids()
            ratios[scenario] = report(f"{name} {mode} {scenario}", f"p{options.percentile}", pairs)
    return max(ratios.values())


def report(label: str, high_name: str, pairs: Sequence[tuple[Measured, Measured]]) -> float:
    """Print the medians, and return that of the ratios."""
    ratio = statistics.median(beside.high_ms / alone.high_ms for alone, beside in pairs)
    for kind, runs in (("alone", [pair[0] for pair in pairs]), ("beside", [pair[1] for pair in pairs])):
        rate, p50, high, speed = (
            statistics.median(getattr(run, field) for run in runs)
            for field in ("requests_per_s", "p50_ms", "high_ms", "download_gb_per_s")
        )
        print(
            f"{label:26} {kind:7} {rate:8.0f} req/s  p50 {p50:7.2f} ms  {high_name} {high:7.2f} ms  {speed:5.2f} GB/s"
        )
    spread = ", ".join(f"{beside.high_ms / alone.high_ms:.2f}" for alone, beside in pairs)
    print(
        f"{label:26} ratio of {high_name} {ratio:.2f} ({'within' if ratio <= LIMIT else 'ABOVE'} {LIMIT:g}; {spread})"
    )
    return ratio


def _prepare(folder: Path, mode: Mode) -> Place:
    """Make the tree and the certificate. The large file is a hole, read into the page cache before it is asked for."""
    folder.mkdir()
    buffer = bytearray(1 << 20)
    tree = folder / "tree"
    make_tree(tree)
    with (tree / FOLDER / _LARGE).open("wb") as file:
        file.truncate(_LARGE_BYTES)
    with (tree / FOLDER / _LARGE).open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    make_certificate(folder / "server.pem")
    return Place(folder, tree, folder / "server.pem", free_port(), mode)


def _run(place: Place, scenario: str, options: Options, processors: Processors) -> Measured:
    """Have wrk ask for small files for a while."""
    script = place.folder / f"{scenario}.lua"
    summary = wrk.SUMMARY.replace("percentile(99)", f"percentile({options.percentile})")
    script.write_text(_SCENARIOS[scenario] + summary, encoding="ascii")
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--timeout", "30s"]
    command += ["-s", str(script), place.url(target(_SMALL))]
    ended = subprocess.run(
        processors.for_client(command),
        capture_output=True,
        text=True,
        check=False,
        env=wrk.client_environment(place.folder),
    )
    load = wrk.parse(ended.stdout, 1)
    return Measured(load.requests / load.duration_s, load.p50_ms, load.p99_ms)


@contextmanager
def _downloads(place: Place, count: int, processors: Processors) -> Iterator[Callable[[], int]]:
    """Have large files downloaded; yields what ends that, and returns the bytes that came."""
    command = [sys.executable, "-m", "loadtests.fairness.downloads", str(place.port), f"/{FOLDER}/{_LARGE}", str(count)]
    command += ["tls" if place.encrypted else "plain"]
    process = subprocess.Popen(
        processors.for_client(command),
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, **python_path()},
    )
    if process.stdout is None:
        raise RuntimeError("a pipe was asked for")

    def received() -> int:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=_STOP_S)
        if not output.strip().isdigit():
            raise RunFailed(f"the downloads ended with status {process.returncode}: {output}")
        return int(output)

    try:
        if not process.stdout.readline():
            raise RunFailed("the downloads did not begin")
        yield received
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    # As Ctrl-C does: whoever ends us by SIGTERM must not leave servers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
