from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable

import pytest

from ktlsserve.kernel import landlock
from ktlsserve.kernel.landlock import landlock_abi


def answering(result: int, number: int = 0) -> Callable[..., int]:
    def syscall(*_: object) -> int:
        ctypes.set_errno(number)
        return result

    return syscall


def test_the_running_kernel_answers_with_a_version_or_none() -> None:
    assert 0 <= landlock_abi() < 100


def test_the_version_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "_syscall", answering(7))
    assert landlock_abi() == 7


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_missing_switched_off_and_filtered_are_none(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(landlock, "_syscall", answering(-1, number))
    assert landlock_abi() == 0


def test_other_errors_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "_syscall", answering(-1, errno.EFAULT))
    with pytest.raises(OSError, match="Bad address"):
        landlock_abi()
