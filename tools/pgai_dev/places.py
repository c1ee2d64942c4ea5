"""The places of everything, and the Postgres that is meant: the one place where that is decided."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The Postgres of `make demo` and `make test`, unless PG or PG_CONFIG says otherwise. 18 because it
# is the newest major, and because it comes in a wheel from PyPI, with pgvector, so that neither
# root nor a Postgres on the machine is needed.
DEFAULT_PG = "18"
MAJORS = ("15", "16", "17", "18")

def _cache() -> Path:
    if chosen := os.environ.get("PGAI_RS_CACHE"):
        return Path(chosen).absolute()
    # Postgres refuses to run as root, so root's clusters run as another user, who cannot look
    # into root's home.
    if os.geteuid() == 0:
        return Path("/var/cache/pgai_rs")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pgai_rs"


# All that is set up lies here, outside the clone, and is shared by all clones.
CACHE = _cache()

WHEELS = CACHE / "wheels"
WHEEL_POSTGRES = CACHE / "postgres"
LIBCLANG = CACHE / "libclang"
MODEL = CACHE / "model"
TOOLS = CACHE / "tools"
CLUSTERS = CACHE / "clusters"
DEMO = CACHE / "demo"
LOGS = CACHE / "logs"
# A virtual environment belongs to one minor version of Python.
VENV = CACHE / f"venv-{sys.version_info.major}.{sys.version_info.minor}"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or CACHE / "target").absolute()
# What packages are made of is compiled with other flags.
PACKAGES_TARGET = CACHE / "target-packages"
# Where the user finds packages.
DIST = ROOT / "dist"

EMBEDDING_SERVER = TARGET / "release" / "pgai_rs_embedding_server"
