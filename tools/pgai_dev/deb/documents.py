"""The package's /usr/share/doc: whose it is and of whom it has what, what changed, and the pages of the docs."""

import gzip
import shutil
from email.utils import formatdate
from pathlib import Path

from .. import places
from ..console import Failure, output
from ..postgres import Postgres
from . import control, notices

NOTICES = "THIRD-PARTY-NOTICES"
# From this size on, Debian's packages compress their documents.
COMPRESSED_FROM = 4096
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: pgai_rs
Source: {homepage}
Comment: The library and the programs contain crates of others under permissive
 licences. {notices}.gz, beside this file, names each with its licence and has
 their texts; COPYRIGHT-rust.html.gz is that of Rust's standard library.

Files: *
Copyright: 2026, the pgai_rs authors
License: PostgreSQL
{licence}
"""
CHANGE = """{source} ({version}) unstable; urgency=medium

  * Made by `make package` of pgai_rs. changelog.gz says what changed, and
    what an upgrade asks of you.

 -- {maintainer}  {date}
"""


def write(tree: Path, postgres: Postgres, version: str, epoch: int) -> None:
    """Writes the documents of the package into its tree."""
    name = control.name(postgres.major)
    directory = tree / "usr/share/doc" / name
    directory.mkdir(parents=True)
    (directory / "copyright").write_text(_copyright())
    date = formatdate(epoch)
    change = CHANGE.format(source=control.SOURCE, version=version, maintainer=control.MAINTAINER, date=date)
    _compressed(directory / "changelog.Debian.gz", change.encode())
    _compressed(directory / "changelog.gz", (places.ROOT / "CHANGELOG.md").read_bytes())
    _compressed(directory / f"{NOTICES}.gz", notices.compose(notices.linked(postgres)).encode())
    _compressed(directory / "COPYRIGHT-rust.html.gz", _copyright_of_rust().read_bytes())
    for page in (places.ROOT / "README.md", *sorted((places.ROOT / "docs").glob("*.md"))):
        target = directory / page.relative_to(places.ROOT)
        target.parent.mkdir(exist_ok=True)
        if page.stat().st_size < COMPRESSED_FROM:
            shutil.copyfile(page, target)
        else:
            _compressed(target.with_name(f"{target.name}.gz"), page.read_bytes())

    overrides = tree / "usr/share/lintian/overrides" / name
    overrides.parent.mkdir(parents=True)
    shutil.copyfile(Path(__file__).parent / "lintian-overrides", overrides)


def _copyright() -> str:
    """The licence, as a field of Debian's: indented, with a dot in its blank lines."""
    lines = (places.ROOT / "LICENSE").read_text().partition("the pgai_rs authors\n")[2].strip().splitlines()
    licence = "\n".join(f" {line}" if line.strip() else " ." for line in lines)
    return COPYRIGHT.format(homepage=control.HOMEPAGE, notices=NOTICES, licence=licence)


def _copyright_of_rust() -> Path:
    """What the toolchain says of the standard library, which is linked as well."""
    path = Path(output(["rustc", "--print", "sysroot"], cwd=places.ROOT)) / "share/doc/rust/COPYRIGHT-library.html"
    if not path.exists():
        raise Failure(f"this Rust comes without {path}; rustup's toolchains have it")
    return path


def _compressed(path: Path, data: bytes) -> None:
    """As `gzip -9n` does, without name and time."""
    path.write_bytes(gzip.compress(data, 9, mtime=0))
