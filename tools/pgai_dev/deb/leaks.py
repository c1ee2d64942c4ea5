"""A package names no directory of the machine that built it."""

import gzip
from pathlib import Path

from .. import places, rust
from ..console import Failure, output


def check(tree: Path) -> None:
    """Ends with the files of a tree that name such a directory."""
    sysroot = output(["rustc", "--print", "sysroot"], cwd=places.ROOT)
    private = [places.ROOT, places.CACHE, places.PACKAGES_TARGET, rust.CARGO_HOME.absolute(), Path(sysroot)]
    if Path.home() != Path("/"):
        private.append(Path.home())
    if found := leaks(tree, [str(path) for path in private]):
        raise Failure("the package names places of this machine:\n" + "\n".join(f"    {line}" for line in found))


def leaks(tree: Path, private: list[str]) -> list[str]:
    """Returns the files that name one of these directories, or what lies in it."""
    found = []
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        found += [f"{path.relative_to(tree)}: {place}" for place in private if f"{place}/".encode() in data]
    return found
