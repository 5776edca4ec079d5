"""Asks a server's admin endpoint."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

from prometheus_client import parser

from tests.support.server import Server
from tests.support.waiting import LIMIT_S, wait_until

_ADMIN = re.compile(r"^listening on http://(?P<host>.+):(?P<port>\d+) tls=off admin$", re.MULTILINE)


class AdminClient:
    """The endpoint that ``server`` told of ``position``-th: a server started with ``--admin 127.0.0.1:0``."""

    def __init__(self, server: Server, position: int = 0) -> None:
        wait_until(lambda: len(_ADMIN.findall(server.output())) > position, "the admin endpoint's line")
        self.host, port = _ADMIN.findall(server.output())[position]
        self.port = int(port)

    @property
    def url(self) -> str:
        """The endpoint's URL, without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and body of a reply, on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT_S)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """Return what ``/status`` says."""
        found: dict[str, Any] = json.loads(self.ask("/status")[1])
        return found

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        text = self.ask("/metrics")[1]
        return sum(
            sample.value
            for family in parser.text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def worker_pids(self) -> list[int]:
        """Return the processes of the workers that serve."""
        return [worker["pid"] for worker in self.status()["workers"] if worker["stage"] == "serving"]
