"""Fuzzing with cargo-fuzz and libFuzzer."""

import argparse
import os
import tempfile
from pathlib import Path

from . import checks, places
from .checks import rust
from .console import run, step
from .missing import Missing, attempt, end, package

PROJECT = places.ROOT / "fuzz"
TARGETS = sorted(path.stem for path in (PROJECT / "targets").glob("*.rs"))
# Those of the parser alone are built without the pipeline, and so without the AWS SDK.
OF_PARSER = {"parser", "package"}
# Nothing of the pipeline is unsafe: what is looked for are panics, endless loops and broken promises.
OPTIONS = ("--sanitizer", "none", "--fuzz-dir", PROJECT)
# No input takes a second, and none much memory.
LIMITS = ("-timeout=10", "-rss_limit_mb=2048")
LONGEST = 4096
# The compound files of Office before 2007 are sectors of 512 bytes, of which some thirty have a document.
LONGEST_DOCUMENT = 32_768


def fuzz(arguments: list[str]) -> None:
    """Runs targets one after the other; what they learn is kept beside the build, not in the clone."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    given = parser.parse_args(arguments)
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    checks.tell(missing())
    for target in given.targets or TARGETS:
        learned = places.CACHE / "fuzz" / "corpus" / target
        learned.mkdir(parents=True, exist_ok=True)
        step(f"Fuzzing {target}")
        features, longest = [], LONGEST
        if target in OF_PARSER:
            features, longest = ["--no-default-features"], LONGEST_DOCUMENT
        run(
            ["cargo", "fuzz", "run", *OPTIONS, *features, target, learned, PROJECT / "corpus" / target]
            + ["--", f"-max_total_time={given.seconds}", f"-max_len={longest}", *LIMITS],
            cwd=places.ROOT,
            env=os.environ | _environment(),
        )


def missing() -> list[Missing]:
    """Returns what fuzzing needs beyond what is needed to build."""
    found = rust.missing()
    works, said = attempt(["cargo", "fuzz", "--version"])
    if not works:
        found.append(Missing(f"cargo-fuzz cannot be run: {end(said)}", "cargo install cargo-fuzz --locked"))
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "program.cc")
        source.write_text("#include <string>\nint main() { return std::string().size(); }\n")
        works, said = attempt(["g++", source, "-o", Path(directory, "program")])
    if not works:
        found.append(package(f"a C++ compiler, for libFuzzer, cannot make a program: {end(said)}", "g++"))
    return found


def _environment() -> dict[str, str]:
    return {
        # Other flags than the tests': what is compiled for the one is of no use for the other.
        "CARGO_TARGET_DIR": str(places.CACHE / "fuzz" / "target"),
        # cargo-fuzz asks for flags of nightly compilers, which the stable one has, too.
        "RUSTC_BOOTSTRAP": "1",
    }
