"""A video for browsers: half a minute in which each second has a brightness of its own, too large to be read at once.

Its pictures are noise, which can't be compressed: what a browser reads ahead is a small part of the file, and to show
a picture near the end it has to ask for bytes from there.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from tests.support.programs import find_program

SECONDS = 30
FRAMES_PER_S = 10
WIDTH, HEIGHT = 320, 180

_DARKEST, _STEP, _NOISE = 20, 5, 64


def brightness(second: int) -> int:
    """Return the average brightness of the pictures of a second: Y of BT.601, 16 (black) to 235 (white)."""
    return _DARKEST + _STEP * second + _NOISE // 2


def make_video(file: Path) -> None:
    """Write the video: VP8 in a WebM file, more than 10 MB, with an index at its end."""
    noise = random.Random(180).randbytes(WIDTH * HEIGHT)
    grey = bytes((128,)) * (WIDTH * HEIGHT // 2)
    encoder = [
        *(find_program("vpxenc"), "--codec=vp8", "--quiet", "--rt", "--cpu-used=16", "--disable-warning-prompt"),
        *(f"--width={WIDTH}", f"--height={HEIGHT}", f"--fps={FRAMES_PER_S}/1", f"--kf-max-dist={FRAMES_PER_S}"),
        *("--end-usage=cq", "--cq-level=4", "--min-q=0", "--max-q=8", "--target-bitrate=8000"),
        *(f"--output={file}", "-"),
    ]
    pictures = bytearray()
    for number in range(SECONDS * FRAMES_PER_S):
        darkest = _DARKEST + _STEP * (number // FRAMES_PER_S)
        turned = noise[number * 997 % len(noise) :] + noise[: number * 997 % len(noise)]
        pictures += turned.translate(bytes(min(255, darkest + value % _NOISE) for value in range(256))) + grey
    subprocess.run(encoder, input=pictures, check=True)
