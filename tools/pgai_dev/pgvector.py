"""pgvector for a Postgres that comes without it, from the source package of Debian 13."""

import os
import re
import tempfile
from pathlib import Path

from .console import Failure, run, timed

SOURCE = "pgvector=0.8.0-1"
RELEASE = "trixie"


def ensure(postgres) -> None:
    if (postgres.ask("sharedir") / "extension" / "vector.control").exists():
        return
    if os.geteuid() != 0:
        raise Failure(f"Postgres {postgres.major} has no pgvector. As root: apt install postgresql-{postgres.major}-pgvector")
    with timed(f"Building pgvector for Postgres {postgres.major} (its source package from Debian {RELEASE})"):
        with tempfile.TemporaryDirectory() as directory:
            apt = private_apt(Path(directory), RELEASE, source=True)
            run([*apt, "update"], log="pgvector-apt")
            run([*apt, "source", "--download-only", SOURCE], log="pgvector-apt", cwd=directory)
            archive = next(Path(directory).glob("pgvector_*.orig.tar.*"))
            run(["tar", "--extract", "--strip-components=1", f"--file={archive}"], log="pgvector-build", cwd=directory)
            # Without optimising for this machine's processor: a cache may be carried to another.
            make = ["make", "--silent", "OPTFLAGS=", "with_llvm=no", f"PG_CONFIG={postgres.config}"]
            run(make, log="pgvector-build", cwd=directory)
            run([*make, "install"], log="pgvector-build", cwd=directory)


def private_apt(directory: Path, release: str, *, source: bool = False) -> list[str]:
    """An apt-get with lists of its own, that leaves the machine's packages and sources alone."""
    for name in ("lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "status").touch()
    kind = "deb-src" if source else "deb"
    sources = directory / "sources.list"
    sources.write_text(f"{kind} [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {_mirror()} {release} main\n")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": directory / "lists",
        "Dir::State::Status": directory / "status",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    return ["apt-get", "--quiet", *(f"--option={key}={value}" for key, value in options.items())]


def _mirror() -> str:
    """The mirror that this machine's own apt uses."""
    etc = Path("/etc/apt")
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.is_file() and (found := re.search(r"\b(https?://\S+/debian)/?\s", path.read_text())):
            return found[1]
    raise Failure("no Debian mirror in /etc/apt/sources.list")
