"""RPMs of pgai_rs out of the tree of a Debian package, by the names and places of the Postgres project's own RPMs."""

import os
import shutil
import tempfile
from pathlib import Path

from . import package, places
from .console import Failure, run, say
from .deb import control, layout_of, origin
from .missing import attempt

# What Debian wants in a package and nobody else.
DEBIANS_OWN = ("DEBIAN", "usr/share/lintian", "changelog.Debian.gz")
LICENCES = ("copyright", "THIRD-PARTY-NOTICES.gz", "COPYRIGHT-rust.html.gz")
SPEC = """Name: {name}
Version: {version}
Release: 1
Summary: {summary}
License: PostgreSQL
URL: {homepage}
Requires: postgresql{major}-server
Requires: pgvector_{major} >= {pgvector}
Requires: ca-certificates

%description
{description}

%install
cp -a {tree}/. %{{buildroot}}

%files
%defattr(-,root,root)
{files}
"""
# It packs what is compiled, stripped and compressed already, and the same whenever it does.
SETTINGS = {
    "debug_package": "%{nil}",
    "__os_install_post": "%{nil}",
    "_build_id_links": "none",
    "_buildhost": "pgai_rs",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
}


def can_be_made() -> bool:
    return attempt(["rpmbuild", "--version"])[0]


def make(debian: Path, major: str) -> Path:
    """Builds the RPM of what the tree of a Debian package has, and returns its path."""
    tree = places.CACHE / "rpm" / major
    shutil.rmtree(tree, ignore_errors=True)
    lay_out(debian, tree, major)
    with tempfile.TemporaryDirectory() as directory:
        spec = Path(directory, f"{name(major)}.spec")
        spec.write_text(spec_of(tree, major, origin.upstream(package.version())))
        settings = SETTINGS | {"_topdir": directory, "_rpmdir": f"{directory}/made"}
        defined = [f"--define={key} {value}" for key, value in settings.items()]
        run(["rpmbuild", "-bb", *defined, spec], log="rpmbuild", env=os.environ | {"SOURCE_DATE_EPOCH": str(origin.epoch())})
        [built] = Path(directory, "made").rglob("*.rpm")
        places.DIST.mkdir(exist_ok=True)
        made = Path(shutil.copy2(built, places.DIST))
    say(f"    {made} ({made.stat().st_size / 1e6:.1f} MB)")
    return made


def name(major: str) -> str:
    return f"pgai_rs_{major}"


def lay_out(debian: Path, tree: Path, major: str) -> None:
    """Puts the files of a Debian package's tree where the Postgres project's RPMs have theirs."""
    for source in sorted(path for path in debian.rglob("*") if path.is_file()):
        if target := _place(source.relative_to(debian), major):
            (tree / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / target)


def _place(path: Path, major: str) -> Path | None:
    """Returns where a file of a Debian package belongs, without the leading slash; None if it has no place."""
    if str(path).startswith(DEBIANS_OWN) or path.name in DEBIANS_OWN:
        return None
    layout, server = layout_of(major), Path("usr", f"pgsql-{major}")
    documents = Path("usr/share/doc")
    moved = {
        layout.library: server / "lib",
        layout.programs: server / "bin",
        layout.extension: server / "share" / "extension",
        Path("/") / documents / control.name(major): documents / name(major),
    }
    if path.name in LICENCES:
        return Path("usr/share/licenses", name(major), path.name)
    for before, after in moved.items():
        if before in (Path("/") / path).parents:
            return after / (Path("/") / path).relative_to(before)
    raise Failure(f"an RPM has no place for {path}")


def spec_of(tree: Path, major: str, version: str) -> str:
    """Returns the spec of a tree."""
    summary, _, description = control.DESCRIPTION.partition("\n")
    files = sorted(f"/{path.relative_to(tree)}" for path in tree.rglob("*") if path.is_file())
    return SPEC.format(
        name=name(major),
        version=version,
        summary=summary,
        homepage=control.HOMEPAGE,
        major=major,
        pgvector=control.PGVECTOR,
        # Debian's fields are indented, with a dot in a blank line.
        description="\n".join(line.strip().removeprefix(".") for line in description.splitlines()),
        tree=tree,
        files="\n".join(_entry(path) for path in files),
    )


def _entry(path: str) -> str:
    """Returns a file's line, by which it is known for a licence or a document."""
    if path.startswith("/usr/share/licenses/"):
        return f"%license {path}"
    return f"%doc {path}" if path.startswith("/usr/share/doc/") else path
