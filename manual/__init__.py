"""Makes what is written of the program from the program itself: ``python -m manual`` writes all of it anew.

The reference pages in ``docs/`` and what a system installs from ``share/`` (the man page, and what completes a command
line in bash, zsh and fish) come from the parsers of the command line and the dataclasses of the configuration. Tests
compare the files with what is made here. Nothing of this is needed to serve, and nothing of it is in the wheel but the
files in ``share/``.
"""
