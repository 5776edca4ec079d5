"""Pages, a video and listings in Chromium.

A package, so that its browser and its guest end with its last test: the guests of tests/vm need the processors.
"""
