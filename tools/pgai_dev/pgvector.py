"""pgvector for a Postgres that comes without it, from the source package of Debian 13."""

import tempfile
from pathlib import Path

from .console import run, timed
from .debian import private_apt

SOURCE = "pgvector=0.8.0-1"
RELEASE = "trixie"


def ensure(postgres) -> None:
    if (postgres.ask("sharedir") / "extension" / "vector.control").exists():
        return
    with timed(f"Building pgvector for Postgres {postgres.major} (the source package of Debian {RELEASE})"):
        with tempfile.TemporaryDirectory() as directory:
            apt = private_apt(Path(directory), RELEASE, source=True)
            run([*apt, "update"], log="pgvector")
            run([*apt, "source", "--download-only", SOURCE], log="pgvector", cwd=directory)
            archive = next(Path(directory).glob("pgvector_*.orig.tar.*"))
            run(["tar", "--extract", "--strip-components=1", f"--file={archive}"], log="pgvector", cwd=directory)
            # Not optimised for this machine's processor, for a cache may be carried to another.
            make = ["make", "--silent", "OPTFLAGS=", "with_llvm=no", f"PG_CONFIG={postgres.config}"]
            run(make, log="pgvector", cwd=directory)
            run([*make, "install"], log="pgvector", cwd=directory)
