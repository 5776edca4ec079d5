"""A file system whose reads take as long as a test likes: the stand-in for a network's that doesn't answer.

::

    with SlowFiles(folder, {"slow.bin": content}) as slow:
        ... ask for it ...
        slow.await_read()
        ... others are served ...
        slow.release()

It is a process of its own, mounted on ``folder`` by FUSE. Names, sizes and opens are answered at once, reads when
``release`` was called. Run as a program it is that process: what to serve on standard input as JSON, a line for each
event on standard output.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import mfusepy

FUSE_DEVICE = Path("/dev/fuse")


def missing_fuse() -> str | None:
    """Say what is missing to mount a file system, None where it can be tried."""
    if not os.access(FUSE_DEVICE, os.R_OK | os.W_OK):
        return f"{FUSE_DEVICE} isn't there or may not be opened"
    if shutil.which("fusermount3") is None:
        return "fusermount3 isn't installed (package fuse3)"
    return None


class SlowFiles:
    """Mounted on ``folder``, which is made, from the construction to ``close``; ``files`` are contents by name."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        folder.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say(json.dumps({name: content.hex() for name, content in files.items()}))
        self._await("mounted")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def await_read(self) -> None:
        """Wait until a read waits."""
        self._await("read")

    def release(self) -> None:
        """Answer all reads, those to come too."""
        self._say("release")

    def close(self) -> None:
        """Unmount, and end the process."""
        self._process.communicate()
        assert self._process.returncode == 0

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _await(self, word: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == word:
                return
        raise AssertionError(f"the file system ended before it said {word!r}")


def _unmount(folder: str) -> None:
    subprocess.run(["fusermount3", "-u", "-z", folder], check=True)


class _Operations(mfusepy.Operations):  # type: ignore[misc]  # the library has no types
    """What the kernel asks; several threads at a time."""

    use_ns = True

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = {f"/{name}": content for name, content in files.items()}
        self._go_on = threading.Event()

    def init(self, _path: str) -> None:
        print("mounted", flush=True)

    def obey(self, folder: str) -> None:
        """Do as the lines on standard input say; where the test has died, leave nothing behind."""
        for _line in sys.stdin:
            self._go_on.set()
        self._go_on.set()
        _unmount(folder)

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path not in self._files:
            raise mfusepy.FuseOSError(errno.ENOENT)
        return {"st_mode": stat.S_IFREG | 0o644, "st_nlink": 1, "st_size": len(self._files[path])}

    def read(self, path: str, size: int, offset: int, _handle: int) -> bytes:
        if not self._go_on.is_set():
            print("read", flush=True)
            self._go_on.wait()
        return self._files[path][offset : offset + size]


def _serve(folder: str) -> None:
    files = {name: bytes.fromhex(content) for name, content in json.loads(sys.stdin.readline()).items()}
    operations = _Operations(files)
    threading.Thread(target=operations.obey, args=[folder], daemon=True).start()
    mfusepy.FUSE(operations, folder, foreground=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
