"""Which kernels are known to be safe to give a direction of kTLS to. Pure: release strings in, verdicts out.

The kernel's receive side has had bugs that a remote peer can trigger (CVE-2025-39682, CVE-2025-39946); each stable
series that got both fixes has a floor. Sending has had races and stalls of its own, none of which a peer can aim at
us, so that a kernel below those floors is warned of and not refused.

A version proves nothing about a distribution that backports fixes under an old number (RHEL, SUSE); the operator who
knows better sets ``tls.receive = "kernel"``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-?rc(\d+))?")
# Debian's ABI names hide the stable version ('6.1.0-39-amd64'); the package's stands at the end of the banner, after
# the build number ('#1 SMP PREEMPT_DYNAMIC Debian 6.1.148-1'). The compiler before it has a Debian version as well.
_DEBIAN_PACKAGE = re.compile(r"#\d+ .*\bDebian (\d+)\.(\d+)\.(\d+)(?:~rc(\d+))?")
# Ubuntu's /proc/version_signature: 'Ubuntu 6.8.0-60.63-generic 6.8.12'; the last field is the stable version.
_UBUNTU_SIGNATURE = re.compile(r"^Ubuntu \S+ (\d+)\.(\d+)\.(\d+)\s*$")


@dataclass(frozen=True, slots=True, order=True)
class KernelVersion:
    """A version of the stable tree; ``patch`` is -1 for a release candidate, which comes before patch 0."""

    major: int
    minor: int
    patch: int

    @property
    def series(self) -> tuple[int, int]:
        """The stable series that the version belongs to: (6, 12)."""
        return self.major, self.minor

    def __str__(self) -> str:
        if self.patch < 0:
            return f"{self.major}.{self.minor}-rc"
        return f"{self.major}.{self.minor}.{self.patch}"


# First fixed patch level of each series, and the first release that has all fixes from its start.
_RX_FIXED = {(6, 1): 154, (6, 6): 108, (6, 12): 49}
_RX_FIXED_SINCE = (6, 17)
_TX_FIXED = {(6, 1): 187, (6, 12): 105}
_TX_FIXED_SINCE = (7, 2)


@dataclass(frozen=True, slots=True)
class FloorVerdict:
    """``met`` is None where nothing is known about the series; ``cure`` is empty where none is needed."""

    met: bool | None
    reason: str
    cure: str = ""


NOT_DETERMINED = FloorVerdict(met=None, reason="not determined")


def kernel_version(release: str, banner: str = "", signature: str = "") -> KernelVersion | None:
    """Return the stable version that a kernel was built from, None where ``release`` holds no version.

    ``release`` is that of uname(2), ``banner`` is ``/proc/version`` (or uname's version), and ``signature`` is Ubuntu's
    ``/proc/version_signature``: distributions whose release keeps a fixed patch level tell the true one there.
    """
    hidden = _UBUNTU_SIGNATURE.match(signature) or _DEBIAN_PACKAGE.search(banner)
    named = _RELEASE.match(release)
    if named is None:
        return None
    version = _from_match(named)
    # A self-built kernel on Debian may show an unrelated package version: only the same series is believed.
    if hidden is not None and (real := _from_match(hidden)).series == version.series:
        return real
    return version


def _from_match(match: re.Match[str]) -> KernelVersion:
    major, minor, patch, *rest = match.groups()
    candidate = bool(rest and rest[0])
    return KernelVersion(int(major), int(minor), -1 if candidate else int(patch or 0))


def rx_floor(version: KernelVersion | None) -> FloorVerdict:
    """Judge whether the kernel may decrypt what a remote peer sends; never ``met`` where that isn't known."""
    if version is None:
        return FloorVerdict(met=False, reason="the kernel's version can't be read", cure=_RX_CURE)
    if version >= KernelVersion(*_RX_FIXED_SINCE, 0):
        return FloorVerdict(met=True, reason=f"Linux {version} has all known receive fixes")
    fixed_patch = _RX_FIXED.get(version.series)
    if fixed_patch is None:
        reason = f"Linux {version}: the remotely triggerable receive bugs have no known fix in this series"
        return FloorVerdict(met=False, reason=reason, cure=_RX_CURE)
    if version.patch < fixed_patch:
        fixed = KernelVersion(*version.series, fixed_patch)
        reason = f"Linux {version} has remotely triggerable receive bugs, fixed in {fixed} (CVE-2025-39946)"
        return FloorVerdict(met=False, reason=reason, cure=_RX_CURE)
    return FloorVerdict(met=True, reason=f"Linux {version} has all known receive fixes")


def tx_floor(version: KernelVersion | None) -> FloorVerdict:
    """Judge whether the kernel has the known fixes for sending; ``met`` is None where the series isn't known."""
    if version is None:
        return FloorVerdict(met=None, reason="the kernel's version can't be read", cure=_TX_CURE)
    if version >= KernelVersion(*_TX_FIXED_SINCE, 0):
        return FloorVerdict(met=True, reason=f"Linux {version} has the known sending fixes")
    fixed_patch = _TX_FIXED.get(version.series)
    if fixed_patch is None:
        reason = (
            f"Linux {version}: not determined whether this series has the sending fixes of 6.1.187, 6.12.105 and 7.2"
        )
        return FloorVerdict(met=None, reason=reason, cure=_TX_CURE)
    if version.patch < fixed_patch:
        fixed = KernelVersion(*version.series, fixed_patch)
        reason = f"Linux {version} lacks sending fixes that {fixed} has"
        return FloorVerdict(met=False, reason=reason, cure=_TX_CURE)
    return FloorVerdict(met=True, reason=f"Linux {version} has the known sending fixes")


_RX_CURE = (
    "use Linux 6.1.154, 6.6.108, 6.12.49, 6.17 or later; until then OpenSSL decrypts requests"
    ' (if the distribution backported the fixes: tls.receive = "kernel")'
)
_TX_CURE = "use Linux 6.1.187, 6.12.105, 7.2 or later"
