"""Servers to compare ktlsserve with, over TLS and over QUIC: one command starts any of them on the same tree."""

from loadtests.baselines.asking import Protocol
from loadtests.baselines.baseline import Baseline, Running, Site
from loadtests.baselines.errors import BaselineError, FetchFailed, Missing, NotStarted, Untrusted
from loadtests.baselines.registry import BASELINES

__all__ = [
    "BASELINES",
    "Baseline",
    "BaselineError",
    "FetchFailed",
    "Missing",
    "NotStarted",
    "Protocol",
    "Running",
    "Site",
    "Untrusted",
]
