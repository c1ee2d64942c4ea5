"""The things that the extension is made of: a check that it may be, and a list of them."""

import json
import os

from . import places, rust
from .console import Failure, run, step
from .missing import attempt
from .postgres import Postgres

# Beside Cargo.toml, where cargo-cyclonedx puts it.
SBOM = places.ROOT / "pgai_rs.cdx.json"


def check(postgres: Postgres) -> None:
    """Licences, sources and RustSec's advisories, which are also those that cargo-audit knows."""
    if not attempt(["cargo", "deny", "--version"])[0]:
        step("Skipping cargo-deny, which cannot be run: cargo install cargo-deny --locked")
        return
    step("Licences and advisories")
    environment = os.environ | rust.environment(postgres)
    run(["cargo", "deny", "--workspace", "check"], cwd=places.ROOT, env=environment)


def list_parts(postgres: Postgres) -> None:
    """Writes a software bill of materials: every crate that the extension is built of, with its version and licence."""
    if not attempt(["cargo", "cyclonedx", "--version"])[0]:
        raise Failure("make sbom needs cargo-cyclonedx: cargo install cargo-cyclonedx --locked")

    step(f"Writing {SBOM.name}")
    run(
        ["cargo", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--target", "all"]
        + rust.features(postgres),
        cwd=places.ROOT,
        env=os.environ | rust.environment(postgres),
    )
    # It writes one for each crate of the workspace; the extension's has them all but what only tests and the demo run.
    for path in places.ROOT.glob("crates/*/*.cdx.json"):
        path.unlink()
    # Where it was built is nobody's business.
    text = SBOM.read_text().replace(places.ROOT.as_uri(), "file:///pgai_rs")
    parts = len(json.loads(text)["components"])
    SBOM.write_text(text)
    step(f"{parts} parts")
