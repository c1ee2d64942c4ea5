"""Running cargo, always in one and the same manner, so that nothing is compiled twice."""

import os
import shlex
from pathlib import Path

from . import libclang, places, progress
from .console import output, run, step
from .postgres import Postgres

# Where rustup and `cargo install` put programs, whatever PATH says.
CARGO_HOME = Path(os.environ.get("CARGO_HOME") or "~/.cargo").expanduser()

# The feature without which crates/benches is empty.
BENCHES = "pgai_rs_benches/criterion"


def environment(postgres: Postgres) -> dict[str, str]:
    """Returns what cargo needs to know beyond what is in the environment already."""
    pgrx_home = places.TOOLS / "pgrx"
    pgrx_home.mkdir(parents=True, exist_ok=True)
    # Without this file cargo takes pgrx's bindings for outdated, and compiles them and all that uses them each time.
    config = pgrx_home / "config.toml"
    if not config.exists():
        config.write_text("[configs]\n")
    return {
        "CARGO_TARGET_DIR": str(places.TARGET),
        "PGRX_HOME": str(pgrx_home),
        "PGRX_PG_CONFIG_PATH": str(postgres.config),
        **libclang.environment(),
    }


def features(postgres: Postgres) -> list[str]:
    return ["--no-default-features", "--features", f"pg{postgres.major}"]


def arguments(postgres: Postgres, command: str) -> list[str]:
    """Which crates are selected decides the features of their dependencies, and with it whether an
    artefact can be reused: every command selects the whole workspace."""
    return ["cargo", command, "--release", "--workspace", *features(postgres)]


def compile(postgres: Postgres, command: str, *flags: str) -> None:
    """Compiles, with a line that says how far it is, and cargo's own words in a log."""
    progress.cargo(
        [*arguments(postgres, command), *flags],
        log=f"cargo-{command}",
        env=os.environ | environment(postgres),
    )


def compile_for_packages(postgres: Postgres) -> None:
    """Compiles what is given to others, which names no directory of the machine that built it.

    It has a target directory of its own: the flags are others than those of everything else, which would be compiled
    anew after each package."""
    environment_of_packages = os.environ | environment(postgres) | without_places()
    progress.cargo([*arguments(postgres, "build"), "--locked", "--lib", "--bins"], log="cargo-package", env=environment_of_packages)


def without_places() -> dict[str, str]:
    """Returns the environment in which rustc and gcc write names of ours where those of directories would stand."""
    # The later of two that fit counts, and a target directory may lie in the clone.
    names = {
        output(["rustc", "--print", "sysroot"], cwd=places.ROOT): "/rust",
        str(CARGO_HOME.absolute() / "registry" / "src"): "/crates",
        str(places.ROOT): "/pgai_rs",
        str(places.PACKAGES_TARGET): "/target",
    }
    return {
        "CARGO_TARGET_DIR": str(places.PACKAGES_TARGET),
        # Instead of RUSTFLAGS and of those in somebody's configuration: a package is the same for all.
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(f"--remap-path-prefix={place}={name}" for place, name in names.items()),
        "CFLAGS": " ".join(f"-ffile-prefix-map={place}={name}" for place, name in names.items()),
    }


def build_parser(postgres: Postgres) -> None:
    """Builds the program that reads documents, alone, for what needs no Postgres."""
    command = ["cargo", "build", "--release", "--package", "pgai_rs_parser"]
    progress.cargo(command, log="cargo-build-parser", env=os.environ | environment(postgres))


def cargo(postgres: Postgres, command: str, *flags: str) -> None:
    """Runs a command whose own words are what it is run for."""
    run([*arguments(postgres, command), *flags], cwd=places.ROOT, env=os.environ | environment(postgres))


def test(postgres: Postgres, given: str) -> None:
    """Compiles the tests without the extension, then runs them. Those of the queue start the Postgres of the build."""
    flags = shlex.split(given)
    # What follows `--` is for the tests; what chooses targets is for the compiler, too.
    chosen = flags[: flags.index("--")] if "--" in flags else flags
    step("Building the tests without the extension")
    compile(postgres, "test", "--no-run", *chosen)
    step("Running them")
    cargo(postgres, "test", *flags)


def bench(postgres: Postgres, given: list[str]) -> None:
    """Compiles the benches of the pure stages, then runs them with these options of criterion's."""
    chosen = ["--workspace", *features(postgres), "--features", BENCHES, "--bench", "stages", "--bench", "documents"]
    step("Building the benches")
    progress.cargo(["cargo", "bench", *chosen, "--no-run"], log="cargo-bench", env=os.environ | environment(postgres))
    step("Running them")
    run(["cargo", "bench", *chosen, "--", *given], cwd=places.ROOT, env=os.environ | environment(postgres))


def lint(postgres: Postgres) -> None:
    """Refuses what the continuous integration refuses."""
    env = os.environ | environment(postgres)
    step("Formatting")
    run(["cargo", "fmt", "--all", "--check"], cwd=places.ROOT)
    step("Clippy")
    cargo(postgres, "clippy", "--features", BENCHES, "--all-targets", "--", "--deny=warnings")
    step("Rustdoc")
    # The extension's documentation is its developers': private items are part of it.
    os.environ["RUSTDOCFLAGS"] = "--deny=warnings --allow=rustdoc::private_intra_doc_links"
    cargo(postgres, "doc", "--no-deps", "--document-private-items")
