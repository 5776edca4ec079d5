"""``python -m loadtests.tree DIR``: make the files of a scenario in DIR, and beside it DIR.manifest.json.

The same scenario gives the same files everywhere. With ``--existing`` DIR is a site of yours: nothing is made but the
manifest.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from ktlsserve.errors import ConfigError
from loadtests.users.contents import asset_of, contents, lengths
from loadtests.users.errors import LoadTestError
from loadtests.users.manifest import Asset, Manifest, manifest_of_folder, write_manifest
from loadtests.users.scenario import Scenario, load_scenario

DEFAULT_SCENARIO = Path(__file__).resolve().parent / "scenarios" / "website.toml"


def make_tree(root: Path, scenario: Scenario) -> Manifest:
    """Make the files of a scenario; raises LoadTestError where ``root`` holds anything else.

    A file that has the right length already is read instead of written, and written anew only if its bytes differ.
    """
    wanted = lengths(scenario)
    if not wanted:
        raise LoadTestError("the scenario names no files to make (file); --existing makes a manifest of those in DIR")
    _refuse_others(root, wanted.keys())
    manifest = {path: asset_of(scenario.seed, path, length) for path, length in wanted.items()}
    for path, asset in manifest.items():
        file = root / path.removeprefix("/")
        if not _is(file, asset):
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as stream:
                stream.writelines(contents(scenario.seed, path, asset.bytes))
    return manifest


def manifest_file(root: Path) -> Path:
    """Return where the manifest of a tree is unless it is said: beside it, where no server shows it."""
    return root.absolute().with_name(root.absolute().name + ".manifest.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make tree and manifest; 0, or 2 where that can't be done."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.tree", description=__doc__.partition("\n")[0])
    parser.add_argument("dir", type=Path, metavar="DIR", help="the folder to serve")
    parser.add_argument("--scenario", type=Path, default=DEFAULT_SCENARIO, metavar="FILE", help="[%(default)s]")
    parser.add_argument("--existing", action="store_true", help="make a manifest of what DIR holds, and no files")
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="where it goes [DIR.manifest.json]")
    options = parser.parse_args(arguments)
    root: Path = options.dir
    target: Path = options.manifest or manifest_file(root)
    try:
        manifest = manifest_of_folder(root) if options.existing else make_tree(root, load_scenario(options.scenario))
        write_manifest(manifest, target)
    except (ConfigError, LoadTestError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or root}: {error.strerror}", file=sys.stderr)
        return 2
    total = sum(asset.bytes for asset in manifest.values())
    print(f"{root}: {len(manifest)} files, {total} bytes; manifest {target}")
    return 0


def _refuse_others(root: Path, paths: AbstractSet[str]) -> None:
    """Raise LoadTestError if a folder holds a file that the scenario doesn't: it is then somebody's own."""
    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise LoadTestError(f"{root}: must be a folder, or not be there yet")
    for file in sorted(root.rglob("*")):
        if not file.is_dir() and f"/{file.relative_to(root).as_posix()}" not in paths:
            raise LoadTestError(
                f"{root}: holds {file.relative_to(root)}, which isn't of the scenario: name a new folder"
            )


def _is(file: Path, asset: Asset) -> bool:
    if not file.is_file() or file.stat().st_size != asset.bytes:
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == asset.sha256


if __name__ == "__main__":
    sys.exit(main())
