"""The crates that are linked into the library and the programs, and the licences that ask to be handed on with them."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from .. import places, rust
from ..console import Failure, output
from ..postgres import Postgres
from . import spdx

CALLED = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|COPYRIGHT|UNLICENSE)", re.IGNORECASE)
# Licences in there are those of files that are not compiled.
NOT_COMPILED = {"assets", "benches", "bindings", "examples", "resources", "tests"}
# For crates whose authors left the text away. Of several that may be chosen, the first.
STANDARD = {name: Path(__file__).parent / "licences" / f"{name}.txt" for name in ("MIT", "BSD-3-Clause")}
RULE = "-" * 100


@dataclass(frozen=True, order=True)
class Crate:
    name: str
    version: str
    licence: str
    origin: str
    authors: tuple[str, ...]
    directory: Path


def linked(postgres: Postgres) -> list[Crate]:
    """Returns the crates of others that end up in what is built for that Postgres: neither those that only tests or
    build scripts use, nor those of other systems."""
    system = re.search(r"^host: (.+)$", output(["rustc", "-vV"], cwd=places.ROOT), re.MULTILINE)[1]
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={system}"]
    metadata = json.loads(
        output([*command, *rust.features(postgres)], cwd=places.ROOT, env=os.environ | rust.environment(postgres))
    )
    packages = {package["id"]: package for package in metadata["packages"]}
    found = (packages[identity] for identity in _reached(metadata))
    return sorted(_crate(package) for package in found if package["source"])


def _reached(metadata: dict) -> set[str]:
    needs = {
        node["id"]: [need["pkg"] for need in node["deps"] if any(kind["kind"] is None for kind in need["dep_kinds"])]
        for node in metadata["resolve"]["nodes"]
    }
    reached, waiting = set(), list(metadata["workspace_members"])
    while waiting:
        identity = waiting.pop()
        if identity not in reached:
            reached.add(identity)
            waiting += needs[identity]
    return reached


def _crate(package: dict) -> Crate:
    return Crate(
        name=package["name"],
        version=package["version"],
        licence=package["license"] or "",
        origin=package["repository"] or f"https://crates.io/crates/{package['name']}",
        authors=tuple(package["authors"]),
        directory=Path(package["manifest_path"]).parent,
    )


def compose(crates: list[Crate]) -> str:
    """Returns the file of all notices: who wrote what, and each text once. A licence that is not allowed is an error."""
    allowed = spdx.allowed()
    if refused := [crate for crate in crates if not spdx.permits(crate.licence, allowed)]:
        raise Failure("not permissive: " + ", ".join(f"{crate.name} ({crate.licence or 'no licence'})" for crate in refused))

    numbers: dict[str, int] = {}
    listed = []
    for crate in crates:
        places_of_texts = [numbers.setdefault(text, len(numbers) + 1) for text in texts(crate)]
        of_texts = ", ".join(f"[{number}]" for number in places_of_texts)
        listed.append(f"{crate.name} {crate.version}\n  {crate.licence}; {crate.origin}\n  {of_texts}\n")

    head = "The library and the programs of pgai_rs contain these crates, under the licences named, whose texts follow.\n"
    bodies = [f"{RULE}\n[{number}]\n\n{text}\n" for text, number in numbers.items()]
    return "\n".join([head, *listed, *bodies])


def texts(crate: Crate) -> list[str]:
    """Returns the texts of a crate's licences and notices, or the standard text if its authors left it away."""
    found = []
    for directory, below, files in os.walk(crate.directory):
        below[:] = sorted(name for name in below if name not in NOT_COMPILED)
        found += [Path(directory, name) for name in sorted(files) if CALLED.match(name) and not name.endswith(".rs")]
    if found:
        return list(dict.fromkeys(_tidy(path.read_text(errors="replace")) for path in found))
    for name, path in STANDARD.items():
        if name in re.split(r"[\s()/]+", crate.licence):
            authors = ", ".join(crate.authors) or f"the authors of {crate.name}"
            return [f"Copyright (c) {authors}\n\n{_tidy(path.read_text())}"]
    raise Failure(f"{crate.name} comes without the text of its licence, {crate.licence}")


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
