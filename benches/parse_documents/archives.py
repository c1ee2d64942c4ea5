"""Single files out of archives: of zip, tar, and Debian's packages, which are a tar in an ar."""

import io
import lzma
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

AR, AR_HEADER = b"!<arch>\n", 60


class Refused(Exception):
    """An archive or a path in it that is not taken."""


def extract(archive: Path, wanted: dict[str, Path]) -> list[str]:
    """Writes files of an archive to the places given, and returns the paths that are not in it.

    Links are not followed: their paths count as not in it.
    """
    for path in wanted:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise Refused(f"the path {path!r} leads out of its archive")
    left = dict(wanted)
    for path, content in _members(archive, left):
        target = left.pop(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Under another name first, so that a half is never found.
        half = target.with_name(f"{target.name}.{os.getpid()}.half")
        half.write_bytes(content)
        half.replace(target)
    return list(left)


def _members(archive: Path, wanted):
    """Yields the paths that are wanted, and their contents."""
    with archive.open("rb") as file:
        start = file.read(len(AR))
        file.seek(0)
        if start == AR:
            yield from _of_tar(_data_of_deb(file), wanted)
        elif start.startswith(b"PK"):
            with zipfile.ZipFile(file) as packed:
                for path in packed.namelist():
                    if path in wanted:
                        yield path, packed.read(path)
        else:
            yield from _of_tar(file, wanted)


def _of_tar(file, wanted):
    with tarfile.open(fileobj=file, mode="r:*") as packed:
        for member in packed:
            path = member.name.removeprefix("./")
            if member.isfile() and path in wanted:
                yield path, packed.extractfile(member).read()


def _data_of_deb(file) -> io.IOBase:
    """Returns the tar of a Debian package's files, unpacked."""
    file.seek(len(AR))
    while len(header := file.read(AR_HEADER)) == AR_HEADER:
        name, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            packed = file.read(size)
            if name.endswith(".xz"):
                return io.BytesIO(lzma.decompress(packed))
            if name.endswith(".zst"):
                return io.BytesIO(subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout)
            return io.BytesIO(packed)
        file.seek(size + size % 2, io.SEEK_CUR)
    raise Refused("it has no data.tar")
