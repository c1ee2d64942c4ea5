"""Fuzzing with cargo-fuzz and libFuzzer."""

import argparse
import os
import shutil

from . import places
from .console import Failure, run, step

PROJECT = places.ROOT / "fuzz"
TARGETS = sorted(path.stem for path in (PROJECT / "targets").glob("*.rs"))
# Nothing of the pipeline is unsafe: what is looked for are panics, endless loops and broken promises.
OPTIONS = ("--sanitizer", "none", "--fuzz-dir", PROJECT)
# No input takes a second, and none much memory.
LIMITS = ("-timeout=10", "-rss_limit_mb=2048", "-max_len=4096")
NEEDS = {
    "cargo-fuzz": "cargo-fuzz is missing: cargo install cargo-fuzz --locked",
    "g++": "a C++ compiler is missing, for libFuzzer. On Debian: apt install g++",
}


def fuzz(arguments: list[str]) -> None:
    """Runs targets one after the other; what they learn is kept beside the build, not in the clone."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    given = parser.parse_args(arguments)
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    for program, hint in NEEDS.items():
        if not shutil.which(program):
            raise Failure(hint)
    for target in given.targets or TARGETS:
        learned = places.CACHE / "fuzz" / "corpus" / target
        learned.mkdir(parents=True, exist_ok=True)
        step(f"Fuzzing {target}")
        run(
            ["cargo", "fuzz", "run", *OPTIONS, target, learned, PROJECT / "corpus" / target]
            + ["--", f"-max_total_time={given.seconds}", *LIMITS],
            cwd=places.ROOT,
            env=os.environ | _environment(),
        )


def _environment() -> dict[str, str]:
    return {
        # Other flags than the tests': what is compiled for the one is of no use for the other.
        "CARGO_TARGET_DIR": str(places.CACHE / "fuzz" / "target"),
        # cargo-fuzz asks for flags of nightly compilers, which the stable one has, too.
        "RUSTC_BOOTSTRAP": "1",
    }
