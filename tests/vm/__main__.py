"""The command line: `python -m tests.vm packages | kernels | run --kernel NAME -- COMMAND...`."""

import argparse
import sys
import time
from pathlib import Path

from tests.vm.cache import cache_root
from tests.vm.errors import BootError, GuestError
from tests.vm.guest import Guest, GuestOptions
from tests.vm.kernels import provide_kernels, read_specs
from tests.vm.kvm import kvm_works
from tests.vm.system_packages import provide_packages

_DIED = 125  # the status for a guest that ended before its command did


def main() -> int:
    """Run one subcommand; returns the exit status, for `run` that of the command in the guest."""
    options = _parser().parse_args()
    try:
        if options.action == "packages":
            provide_packages(cache_root())
        elif options.action == "kernels":
            for kernel in provide_kernels(read_specs().values(), cache_root()):
                print(f"{kernel.name}: {kernel.image}")
        else:
            return _run(options)
    except GuestError as error:
        print(error, file=sys.stderr)
        return _DIED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("packages", help="install the system packages that the tests need, or say which are missing")
    actions.add_parser("kernels", help="fetch the kernels that the cache lacks")
    run = actions.add_parser("run", help="run a command in a guest, in the checkout, with this Python first in PATH")
    run.add_argument("--kernel", choices=sorted(read_specs()), default="6.12")
    run.add_argument("--cpus", type=int, default=1)
    run.add_argument("--memory", default="4G")
    run.add_argument("--limit", type=float, default=3600.0, metavar="SECONDS", help="end the command then")
    run.add_argument("--emulate", action="store_true", help="do not use KVM even where it works")
    run.add_argument("--qemu-opts", action="append", default=[], metavar="OPTIONS", help="more options for QEMU")
    run.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="set in the command's environment"
    )
    run.add_argument("command", nargs="+", metavar="COMMAND", help="after --")
    return parser


def _run(options: argparse.Namespace) -> int:
    cache = cache_root()
    kernel = provide_kernels([read_specs()[options.kernel]], cache)[0]
    guest_options = GuestOptions(
        cpus=options.cpus,
        memory=options.memory,
        kvm=not options.emulate and kvm_works(kernel, cache),
        qemu_options=tuple(options.qemu_opts),
        limit_s=options.limit,
        environment=dict(pair.split("=", 1) for pair in options.env),
    )
    with Guest(kernel, options.command, cache, guest_options) as guest:
        if guest.waiting:
            print("waiting for other guests to end: there is one at a time per processor", file=sys.stderr, flush=True)
        _follow(guest, guest.exchange.path / "output")
        status = guest.exchange.status
        if status is None:
            raise BootError(f"the guest ended before its command did\n{guest.exchange.last_words()}")
        return status


def _follow(guest: Guest, output: Path) -> None:
    """Copy what the command prints while it runs."""
    position = 0
    alive = True
    while alive:
        alive = guest.running()
        if output.exists():
            with output.open("rb") as stream:
                stream.seek(position)
                new = stream.read()
            position += len(new)
            sys.stdout.buffer.write(new)
            sys.stdout.flush()
        if alive:
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
