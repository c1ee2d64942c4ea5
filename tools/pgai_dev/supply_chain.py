"""A check that the extension may be made of what it is made of."""

import os

from . import places, rust
from .console import run, step
from .missing import attempt
from .postgres import Postgres


def check(postgres: Postgres) -> None:
    """Licences, sources and RustSec's advisories, which are also those that cargo-audit knows."""
    if not attempt(["cargo", "deny", "--version"])[0]:
        step("Skipping cargo-deny, which cannot be run: cargo install cargo-deny --locked")
        return
    step("Licences and advisories")
    environment = os.environ | rust.environment(postgres)
    run(["cargo", "deny", "--workspace", "check"], cwd=places.ROOT, env=environment)
