"""The tree that is installed: the library, its control file, its scripts and its programs."""

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import places, rust
from .console import Failure, output, run, step
from .postgres import Postgres

SQL = places.ROOT / "sql"
ORDER = SQL / "order.txt"
CONTROL = places.ROOT / "pgai_rs.control"
# Programs that only the extension starts.
BESIDE_THE_LIBRARY = {"pgai_rs_parser"}
# The line of an upgrade script that stands for all functions and views.
EVERYTHING_ANEW = "-- all functions and views of sql/\n"


@dataclass(frozen=True)
class Layout:
    """The directories of a Postgres that an extension is installed into."""

    library: Path
    extension: Path
    programs: Path

    @classmethod
    def of(cls, postgres: Postgres) -> "Layout":
        return cls(postgres.ask("pkglibdir"), postgres.ask("sharedir") / "extension", postgres.ask("bindir"))

    def below(self, root: Path) -> "Layout":
        return Layout(*(root / str(path).lstrip("/") for path in (self.library, self.extension, self.programs)))


def build(postgres: Postgres) -> Path:
    """Builds the extension and its programs, and lays out the tree that is to be installed."""
    step(f"Building pgai_rs for Postgres {postgres.major} ({postgres.config})")
    rust.compile(postgres, "build", "--lib", "--bins")

    stage = places.CACHE / "stage" / postgres.major
    shutil.rmtree(stage, ignore_errors=True)
    lay_out(Layout.of(postgres).below(stage), places.TARGET / "release")
    return stage


def lay_out(layout: Layout, compiled: Path) -> None:
    """Puts all that is installed into these directories, with what cargo has left in `compiled`."""
    for directory in (layout.library, layout.extension, layout.programs):
        directory.mkdir(parents=True, exist_ok=True)

    shutil.copy2(compiled / "libpgai_rs.so", layout.library / "pgai_rs.so")
    shutil.copy2(CONTROL, layout.extension)
    (layout.extension / f"pgai_rs--{version()}.sql").write_text(install_script())
    for script in (SQL / "released").glob("*.sql"):
        shutil.copy2(script, layout.extension)
    for script in SQL.glob("pgai_rs--*.sql"):
        (layout.extension / script.name).write_text(upgrade_script(script))
    for program in _programs():
        directory = layout.library if program in BESIDE_THE_LIBRARY else layout.programs
        shutil.copy2(compiled / program, directory)


def version() -> str:
    """The version that CREATE EXTENSION installs."""
    return re.search(r"^default_version = '(.+)'$", CONTROL.read_text(), re.MULTILINE)[1]


def install_script() -> str:
    """All of sql/ in its order. A file that the order forgets is a mistake, not a choice."""
    lines = (line.partition("#")[0].strip() for line in ORDER.read_text().splitlines())
    order = [line for line in lines if line]
    there = {path.stem for path in SQL.glob("*.sql") if not path.stem.startswith("pgai_rs--")}
    if astray := there.symmetric_difference(order):
        raise Failure(f"{ORDER} and the files of {SQL} don't agree on: {', '.join(sorted(astray))}")

    parts = (f"-- sql/{name}.sql\n{(SQL / f'{name}.sql').read_text().strip()}\n" for name in order)
    return "\n".join(parts)


def upgrade_script(path: Path) -> str:
    """An upgrade script, with all functions and views of sql/ in the place of the line that asks for them.

    What they call is looked up when they are made: made anew, they call what the installing script's do, whatever
    stood in the way then. One of a released version has no such line any more."""
    return path.read_text().replace(EVERYTHING_ANEW, everything_anew(install_script()))


def everything_anew(script: str) -> str:
    """The functions and views of an install script as statements that replace them, under the same search paths."""
    all_statements = list(statements(script))
    # Those that the script itself calls once, and drops.
    passing = tuple(
        f"CREATE FUNCTION {statement[len('DROP FUNCTION ') : -1]}"
        for statement in all_statements
        if statement.startswith("DROP FUNCTION ")
    )
    kept = []
    for statement in all_statements:
        if re.match(r"CREATE (FUNCTION|PROCEDURE|VIEW) ", statement) and not statement.startswith(passing):
            kept.append(statement.replace("CREATE ", "CREATE OR REPLACE ", 1))
        elif "search_path" in statement.partition("\n")[0]:
            kept.append(statement)
    return "\n\n".join(kept) + "\n"


def statements(script: str) -> Iterator[str]:
    """A script's statements without the comments before them."""
    lines, body = [], None
    for line in script.splitlines():
        if not lines and (not line or line.startswith("--")):
            continue
        lines.append(line)
        if body is None and line.endswith("BEGIN ATOMIC"):
            body = "END;"
        elif body == "END;" and line == body:
            body = None
        elif line.count("$$") % 2:
            body = "$$" if body is None else None
        if body is None and line.endswith(";"):
            yield "\n".join(lines)
            lines = []


def crates() -> list[dict]:
    """The workspace's own crates, as cargo knows them."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked"]
    return json.loads(output(command, cwd=places.ROOT))["packages"]


def _programs() -> list[str]:
    return [target["name"] for crate in crates() for target in crate["targets"] if "bin" in target["kind"]]


def install(postgres: Postgres) -> None:
    """Copies what `build` laid out, with $SUDO if the target is not one's own, below $DESTDIR if set."""
    stage = build(postgres)
    destination = Path(os.environ.get("DESTDIR") or "/")
    sudo = shlex.split(os.environ.get("SUDO", ""))
    step(f"Installing into {destination / str(postgres.ask('pkglibdir')).lstrip('/')} and beside it")
    for source in sorted(path for path in stage.rglob("*") if path.is_file()):
        target = destination / source.relative_to(stage)
        mode = "755" if source.suffix in ("", ".so") else "644"
        # install(1) removes the old file first: a running server keeps the library it has mapped.
        run([*sudo, "install", "-D", f"--mode={mode}", source, target], log="install")
