from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.files.mime import MimeTable
from ktlsserve.files.mime_types import EXTENSIONS_OF_TYPE

TABLE = MimeTable()
EXTENSIONS = [(media_type, name) for media_type, names in EXTENSIONS_OF_TYPE.items() for name in names.split()]


@given(path=st.binary(max_size=300))
def test_any_path_has_a_type_that_can_stand_in_a_header(path: bytes) -> None:
    assert re.fullmatch(rb"[a-z0-9-]+/[a-z0-9.+_-]+(?:; charset=utf-8)?", TABLE.type_of(path))


@given(
    folder=st.binary(max_size=20).filter(lambda folder: not folder or folder.endswith(b"/")),
    stem=st.binary(min_size=1, max_size=20).filter(lambda stem: b"/" not in stem),
    row=st.sampled_from(EXTENSIONS),
    upper=st.booleans(),
)
def test_folder_stem_and_case_do_not_matter(folder: bytes, stem: bytes, row: tuple[str, str], upper: bool) -> None:
    media_type, extension = row
    suffix = (extension.upper() if upper else extension).encode()
    assert TABLE.type_of(folder + stem + b"." + suffix).partition(b";")[0] == media_type.encode()
