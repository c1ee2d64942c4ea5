"""The environment that everything runs in: what a user's own means for other programs stays out."""

import os

# Ours, among those that begin like libpq's.
OURS = ("PG", "PG_CONFIG")
# libpq's and pgrx's; Python's and pytest's; make's, whose jobs are not cargo's; the AWS SDKs', for
# the tests and the demo have an S3 of their own; where pip installs, and in which manner.
FOREIGN = ("PG", "PYTHON", "PYTEST_", "MAKE", "MFLAGS", "GNUMAKEFLAGS", "AWS_")
# What says where servers are that run already, for the step that is meant for them.
SERVERS = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID")
SERVERS += ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION")
PIP = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_NO_DEPS", "PIP_DRY_RUN")
LOCAL = "127.0.0.1,localhost,::1"


def cleaned(given: dict[str, str], wanted: tuple[str, ...] = ()) -> dict[str, str]:
    """Returns the environment without what would mislead, and with what must hold; some names may be wanted."""
    kept = {name: value for name, value in given.items() if name in wanted or not _foreign(name)}
    for name in ("NO_PROXY", "no_proxy"):
        # The servers of the tests and the demo are on this machine.
        kept[name] = ",".join(filter(None, (kept.get(name), LOCAL)))
    return kept | {
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
        # A file of pip's may say otherwise, and this has the last word.
        "PIP_USER": "0",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _foreign(name: str) -> bool:
    if name in OURS or name.startswith("PGAI_RS_"):
        return False
    return name.startswith(FOREIGN) or name in PIP


def clean(wanted: tuple[str, ...] = ()) -> None:
    """Makes it this process's own."""
    kept = cleaned(dict(os.environ), wanted)
    for name in os.environ.keys() - kept.keys():
        del os.environ[name]
    os.environ.update(kept)
