"""Which cases there are, and all of them as calls that can be made; what this kernel refuses is left out and said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from loadtests.bench.errors import SetupError
from loadtests.syscalls import basics, datagrams, files
from loadtests.syscalls.claims import BATCH, BATCHES
from loadtests.syscalls.results import PAYLOAD_BYTES
from loadtests.syscalls.subjects import Case, Method, Subject

# The least that a QUIC implementation must be able to send in one datagram (RFC 9000, section 14).
_QUIC_BYTES = 1200
_KIB = 1024
_SLICES_BYTES = (4 * _KIB, 16 * _KIB, 64 * _KIB, 256 * _KIB, 1024 * _KIB, 4096 * _KIB)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured, and how thoroughly."""

    payloads: tuple[int, ...] = (PAYLOAD_BYTES, _QUIC_BYTES)
    batches: tuple[int, ...] = BATCHES
    slices_bytes: tuple[int, ...] = _SLICES_BYTES
    rounds: int = 15
    # Processor time of one run of one case, Python's loop included.
    run_ns: int = 8_000_000

    def datagram_cases(self, method: Method) -> list[Case]:
        """Return the cases of a method."""
        batches = (1,) if method is Method.SENDTO else self.batches
        return [Case(method, payload, batch) for payload in self.payloads for batch in batches]

    def file_cases(self) -> list[Case]:
        """Return the cases of sendfile."""
        return [Case(Method.SENDFILE, slice_bytes) for slice_bytes in self.slices_bytes]


QUICK = Extent((PAYLOAD_BYTES,), (1, 8, BATCH), (16 * _KIB, 1024 * _KIB), rounds=5, run_ns=2_000_000)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What can be measured, and why the rest can't."""

    subjects: list[Subject]
    absent: list[str]


@contextmanager
def prepare(extent: Extent) -> Iterator[Prepared]:
    """Open all sockets and files that the measurement needs."""
    prepared = Prepared([basics.system_call(), *basics.copies()], [])
    with ExitStack() as stack:
        for method in (Method.SENDTO, Method.SENDMMSG, Method.GSO, Method.GSO_WHOLE):
            try:
                prepared.subjects.extend(_datagram_subjects(extent.datagram_cases(method), stack))
            except SetupError as error:
                prepared.absent.append(f"{method}: {error}")
        prepared.subjects.extend(stack.enter_context(files.sending_files(extent.file_cases())))
        yield prepared


def _datagram_subjects(cases: list[Case], stack: ExitStack) -> list[Subject]:
    """Prepare each case with a receiver of its own, which is full of what that case sends."""
    return [
        stack.enter_context(
            datagrams.sending(case, stack.enter_context(datagrams.full_receiver(whole=case.method is Method.GSO_WHOLE)))
        )
        for case in cases
    ]
