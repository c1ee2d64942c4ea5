"""Rust that is new enough, and a cargo that builds a program as it will build ours."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from .. import places
from ..missing import Missing, attempt, end, package, set_here
from ..rust import CARGO_HOME
from ..toolchain import oldest, version_in

MANIFEST = '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
# What a user's environment can turn cargo by.
VARIABLES = (
    *("RUSTUP_TOOLCHAIN", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS"),
    *("CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET"),
)


def missing() -> list[Missing]:
    wanted = ".".join(map(str, oldest()))
    install = f"rustup toolchain install {wanted} --profile minimal && rustup default {wanted}"
    found = []
    for program in ("cargo", "rustc"):
        # From the clone, as it will be: a toolchain may be chosen for a directory.
        ran, said = attempt([program, "--version"], cwd=places.ROOT)
        if not ran:
            return [_absent(program, said, install)]
        version = version_in(said)
        if version is None or version < oldest():
            found.append(Missing(f"{said.splitlines()[0]} is too old: Rust {wanted} or newer is needed", install))
    return found or _tried()


def _absent(program: str, said: str, install: str) -> Missing:
    if (CARGO_HOME / "bin" / program).exists() and "No such file" in said:
        return Missing(f"{program} is in {CARGO_HOME / 'bin'}, which is not in PATH", f'. "{CARGO_HOME}/env"')
    if "rustup" in said or "toolchain" in said:
        return Missing(f"{program} cannot be run:\n{end(said)}", install)
    return Missing(f"{program} cannot be run: {end(said)}", f"install rustup (https://rustup.rs), then {install}")


def _tried() -> list[Missing]:
    """Builds an empty program with the configuration and the environment that ours will be built with."""
    if not shutil.which("cc"):
        # That is said elsewhere.
        return []
    with tempfile.TemporaryDirectory() as directory:
        project, target = Path(directory, "probe"), Path(directory, "target")
        (project / "src").mkdir(parents=True)
        (project / "Cargo.toml").write_text(MANIFEST)
        (project / "src" / "main.rs").write_text("fn main() {}\n")
        built, said = attempt(
            ["cargo", "build", "--release", "--offline", "--manifest-path", project / "Cargo.toml"],
            # cargo reads its configuration from where it is called.
            cwd=places.ROOT,
            env=os.environ | {"CARGO_TARGET_DIR": str(target)},
        )
        if not built:
            return [_unbuilt(said)]
        if not (target / "release" / "probe").exists():
            return [
                Missing(
                    f"cargo builds for another target than this machine{set_here(*VARIABLES)}",
                    f"unset CARGO_BUILD_TARGET, and build.target in {CARGO_HOME / 'config.toml'}",
                )
            ]
    return []


def _unbuilt(said: str) -> Missing:
    what = f"cargo cannot build an empty program:\n{end(said)}{set_here(*VARIABLES)}"
    if "linker `cc` not found" in said:
        return package(what, "gcc", "libc6-dev")
    files = [path for path in (CARGO_HOME / "config.toml", CARGO_HOME / "config") if path.exists()]
    where = f"look into {files[0]}" if files else "set the environment right"
    return Missing(what, f"{where}, until `cargo init probe && cargo build` works")
