"""The table of the configuration about the server itself; part of ``config``, which says how tables are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ktlsserve.address import Address
from ktlsserve.config.checks import (
    Choice,
    FilePath,
    ListenAddress,
    ListOf,
    Matching,
    NetworkRange,
    Problem,
    Seconds,
    WorkerCount,
)
from ktlsserve.config.server_checks import ACCOUNT, CpuAffinity, PathOrOff
from ktlsserve.config.sites import INDEX
from ktlsserve.config.table import setting
from ktlsserve.networks import Network

HOUR_S = 3600

ConfineMode = Literal["auto", "required", "off"]


@dataclass(frozen=True, slots=True)
class Server:
    """What is served, and by how many processes."""

    root: Path = field(
        default=Path(),
        metadata=setting(
            FilePath(),
            "The folder to serve, relative to this file's folder. A file that is served with must name it, unless the "
            "command line or each [[site]] does: a default would serve whatever lies beside the configuration, keys "
            "included.",
        ),
    )
    listen: tuple[Address, ...] = field(
        default=(Address("127.0.0.1", 8443),),
        metadata=setting(
            ListOf(ListenAddress()),
            "HOST:PORT each; [::1]:8443 for IPv6, 0.0.0.0 or [::] for all interfaces ([::] beside another address is "
            "left out where the kernel has no IPv6), port 0 picks one. The loopback: "
            "nothing is published before somebody says so; 8443 needs no privilege.",
        ),
    )
    proxy_protocol: tuple[Network, ...] = field(
        default=(),
        metadata=setting(
            ListOf(NetworkRange(), least=0),
            "Networks of load balancers, such as 192.0.2.0/24. A connection from there, to any "
            "listener, must begin with a PROXY header of version 1 or 2, which names the client; a header from "
            "anywhere else is refused. None: who is believed can claim to be anybody.",
        ),
    )
    workers: int | Literal["auto"] = field(
        default="auto",
        metadata=setting(
            WorkerCount(),
            "Processes that serve. auto is one for each CPU this process may use (affinity and cgroup quota): each is "
            "one event loop, and more than CPUs only adds switches between them.",
        ),
    )
    index: tuple[str, ...] = field(
        default=("index.html",),
        metadata=setting(
            INDEX,
            "Files that stand for their folder, the first that exists. Empty: folders are not found.",
        ),
    )
    drain_s: float = field(
        default=30.0,
        metadata=setting(
            Seconds(24 * HOUR_S),
            "How long after SIGTERM the server ends at the latest. Connections may take that long to finish. "
            "Orchestrators commonly kill half a minute after they asked.",
        ),
    )
    drain_pause_s: float = field(
        default=0.0,
        metadata=setting(
            Seconds(HOUR_S, zero="none"),
            "How long after SIGTERM the server goes on accepting, with Connection: close in every reply and ready_path "
            "answering 404, so that a load balancer takes it out before it closes: the balancer's check interval times "
            "its number of failed checks, and a second or two. None: without a load balancer nobody would notice. Part "
            "of drain_s. SIGINT (Ctrl-C) skips it.",
        ),
    )
    ready_path: str = field(
        default="",
        metadata=setting(
            Matching(r"(?:/[!-\"$->@-~]*)?", "an absolute path without a query, or empty"),
            "Where a load balancer asks whether to send requests here, such as /readyz, on every listener and before "
            "any site or rule: 200 while the server serves, 404 once it stops (drain_pause_s). Empty: no path, because "
            "it might be a file's.",
        ),
    )
    hang_s: float = field(
        default=30.0,
        metadata=setting(
            Seconds(HOUR_S, zero="never"),
            "How long a worker may not answer its supervisor before it is taken for hung and replaced. An idle worker "
            "answers too. Half a minute, as gunicorn has it: a disk that spins up or a file server that restarts costs "
            "no connections, and hardly any client waits longer.",
        ),
    )
    cpu_affinity: bool | tuple[int, ...] = field(
        default=False,
        metadata=setting(
            CpuAffinity(),
            "true: each worker stays on a CPU of its own, of those that this process may use. [0, 2]: on these, in "
            "turn. false: the kernel's scheduler knows what else is to be done on them.",
        ),
    )
    pid_file: Path | Literal["off"] = field(
        default="off",
        metadata=setting(
            PathOrOff(),
            "A file that holds the number of the supervisor's process while it serves, for scripts that send it "
            "signals. off: systemd and containers know it anyway.",
        ),
    )

    user: str = field(
        default="",
        metadata=setting(
            ACCOUNT,
            "Name or number of the user that the workers become once addresses are bound and certificates are read, "
            "with its groups. It needs to read the files to serve and nothing else. The supervisor stays who it is, "
            "since a reload binds and reads again. Empty: as the server was started; as root it warns.",
        ),
    )
    group: str = field(
        default="",
        metadata=setting(
            ACCOUNT, "Name or number of the workers' group. Empty: the group that the user database gives server.user."
        ),
    )
    confine: ConfineMode = field(
        default="auto",
        metadata=setting(
            Choice(get_args(ConfineMode)),
            "What workers give up besides their user: capabilities, new privileges, being looked into, and by the "
            "kernel's landlock all files but those beneath the roots. auto: what this kernel has, and the log tells "
            "what it lacks; required: don't start without landlock; off: for debuggers and profilers that attach.",
        ),
    )

    def problems(self) -> list[Problem]:
        """Return what doesn't fit together."""
        problems = []
        if self.drain_pause_s >= self.drain_s:
            problems.append(("drain_pause_s", f"must be less than drain_s ({self.drain_s:g}), of which it is a part"))
        if self.group and not self.user:
            problems.append(("group", "needs server.user"))
        return problems
