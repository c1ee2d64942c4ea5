"""A tree of files as a Debian package, byte by byte the same whenever and by whomever it is made."""

import hashlib
import os
from pathlib import Path

from ..console import run


def pack(tree: Path, fields: dict[str, str], epoch: int, directory: Path, *, compression: str = "xz") -> Path:
    """Writes the package of a tree into a directory, and returns its path.

    The tree's modes and times are set, and its DEBIAN/ is written."""
    control = tree / "DEBIAN"
    control.mkdir(exist_ok=True)
    files = sorted(path for path in tree.rglob("*") if path.is_file() and control not in path.parents)
    size = sum((path.stat().st_size + 1023) // 1024 for path in files)
    fields = fields | {"Installed-Size": str(size)}
    (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
    sums = (f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files)
    (control / "md5sums").write_text("".join(sums))

    for path in [tree, *tree.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or _is_program(path) else 0o644)
        os.utime(path, (epoch, epoch))
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{fields['Package']}_{fields['Version']}_{fields['Architecture']}.deb"
    # Several threads would cut the archive into as many blocks.
    command = ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "--threads-max=1", "--build", tree, target]
    run(command, log="dpkg-deb", env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch)})
    return target


def _is_program(path: Path) -> bool:
    """Libraries are not executable, by Debian's policy."""
    return path.suffix == "" and path.read_bytes()[:4] == b"\x7fELF"
