"""A bill of materials in CycloneDX: the crates that are linked into what packages contain, each with its licence."""

import json
import re
import uuid
from datetime import datetime, timezone
from pathlib import Path

from . import package, places
from .console import output, say
from .deb import notices, origin
from .postgres import Postgres

NAME = "pgai_rs.cdx.json"
HOMEPAGE = "https://github.com/pgai-rs/pgai_rs"
# https://cyclonedx.org/docs/1.5/json/
SPECIFICATION = "1.5"


def write(postgres: Postgres, target: Path) -> None:
    """Writes the bill of what is built for that Postgres, which for the other majors is the same."""
    bill = compose(notices.linked(postgres), _compiler(), package.version(), origin.epoch(), checksums())
    target.write_text(json.dumps(bill, indent=2) + "\n")
    say(f"    {target} ({len(bill['components'])} parts)")


def compose(
    crates: list[notices.Crate], compiler: str, version: str, epoch: int, sums: dict[tuple[str, str], str]
) -> dict:
    """Returns the bill, which is the same whoever makes it of the same commit."""
    itself = {"type": "application", "bom-ref": f"pgai_rs@{version}", "name": "pgai_rs", "version": version}
    parts = [_standard_library(compiler), *(_part(crate, sums) for crate in crates)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{HOMEPAGE}@{version}#{epoch}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": itself | {"licenses": [{"expression": "PostgreSQL"}]},
        },
        "components": parts,
        "dependencies": [{"ref": itself["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def _part(crate: notices.Crate, sums: dict[tuple[str, str], str]) -> dict:
    identity = f"pkg:cargo/{crate.name}@{crate.version}"
    part = {
        "type": "library",
        "bom-ref": identity,
        "name": crate.name,
        "version": crate.version,
        "purl": identity,
        # Old crates write `/` for OR.
        "licenses": [{"expression": crate.licence.replace("/", " OR ")}],
        "externalReferences": [{"type": "vcs", "url": crate.origin}],
    }
    if checksum := sums.get((crate.name, crate.version)):
        part["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return part


def _standard_library(compiler: str) -> dict:
    identity = f"std@{compiler}"
    licences = [{"expression": "MIT OR Apache-2.0"}]
    return {"type": "library", "bom-ref": identity, "name": "Rust's standard library", "version": compiler, "licenses": licences}


def _compiler() -> str:
    """Returns the version of Rust, without what stands before and behind it."""
    return output(["rustc", "--version"], cwd=places.ROOT).split()[1]


def checksums(lock: str | None = None) -> dict[tuple[str, str], str]:
    """Returns the SHA-256 of each crate's file, by name and version, as Cargo.lock has it."""
    text = lock if lock is not None else (places.ROOT / "Cargo.lock").read_text()
    pattern = r'^name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"$'
    return {(name, version): checksum for name, version, checksum in re.findall(pattern, text, re.MULTILINE)}
