"""The fields of the package: what it is, and what it needs."""

import os
import re
import tempfile
from pathlib import Path

from ..console import Failure, output

MAINTAINER = "pgai_rs maintainers <pgai-rs@users.noreply.github.com>"
HOMEPAGE = "https://github.com/pgai-rs/pgai_rs"
SOURCE = "pgai-rs"
# That with which pgai_rs is tried.
PGVECTOR = "0.8"
# That of Red Hat Enterprise Linux 9 and its like, of which Ubuntu 22.04 has a newer one.
GLIBC = (2, 34)
DESCRIPTION = """Embeddings that stay in step with rows and S3 documents
 pgai_rs is an extension of PostgreSQL. A vectorizer is declared once, in SQL;
 from then on a background worker of the server keeps embeddings, which
 pgvector stores, in step with the rows of a table, or with the documents in
 S3 that the rows point to.
 .
 The library has to be preloaded: shared_preload_libraries = 'pgai_rs'."""


def name(major: str) -> str:
    return f"postgresql-{major}-pgai-rs"


def fields(major: str, version: str, binaries: list[Path]) -> dict[str, str]:
    """Returns the package's fields in the order in which Debian writes them, without its size."""
    needs = [
        f"postgresql-{major}",
        f"postgresql-{major}-pgvector (>= {PGVECTOR})",
        # The certificates of the models' servers and of S3 are checked against them.
        "ca-certificates",
        *shared_libraries(binaries),
    ]
    return {
        "Package": name(major),
        "Source": SOURCE,
        "Version": version,
        "Architecture": output(["dpkg", "--print-architecture"]),
        "Maintainer": MAINTAINER,
        "Installed-Size": "",
        "Depends": ", ".join(needs),
        "Section": "database",
        "Priority": "optional",
        "Homepage": HOMEPAGE,
        "Description": DESCRIPTION,
    }


def shared_libraries(binaries: list[Path]) -> list[str]:
    """Returns the packages of the libraries that the binaries are linked with, in the versions that have their symbols."""
    with tempfile.TemporaryDirectory() as directory:
        # It reads the source package's control file, of which there is none.
        control = Path(directory, "debian", "control")
        control.parent.mkdir()
        control.write_text(f"Source: {SOURCE}\n\nPackage: {SOURCE}\nArchitecture: any\n")
        said = output(["dpkg-shlibdeps", "-O", *(f"-e{path}" for path in binaries)], cwd=directory, env=os.environ)
    found = re.search(r"^shlibs:Depends=(.+)$", said, re.MULTILINE)
    if not found:
        raise Failure(f"dpkg-shlibdeps names no packages: {said}")
    needed = found[1].split(", ")
    check_glibc(needed)
    return needed


def check_glibc(needed: list[str]) -> None:
    """Ends if a newer glibc is needed than that of the oldest systems that packages are for."""
    for package in needed:
        version = re.search(r"^libc6 \(>= (\d+)\.(\d+)\)$", package)
        if version and tuple(map(int, version.groups())) > GLIBC:
            raise Failure(f"{package} is needed, and systems that packages are for have {'.'.join(map(str, GLIBC))}")
