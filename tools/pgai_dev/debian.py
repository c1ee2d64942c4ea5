"""Postgres 15 and 17 out of Debian's packages, unpacked into the cache: neither root nor the
machine's own packages are concerned, and the machine need not be of that release."""

import re
import shutil
import tempfile
from pathlib import Path

from . import places
from .missing import Missing, attempt, package
from .console import CannotRunHere, output, run, timed

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RELEASES = {"15": "bookworm", "17": "trixie"}
# Only for just-in-time compilation, which does without them by itself.
UNWANTED = ("libllvm", "libz3", "perl", "libperl")


def missing(major: str) -> list[Missing]:
    """Returns what that Postgres is made with and is not here."""
    if _config(major).exists():
        return []
    why, another = f"PG={major} is made of Debian's packages", "choose PG=16 or PG=18, or give PG_CONFIG"
    found = [
        Missing(f"{why}, and {program} cannot be run: {said}", another, elsewhere=True)
        for program in ("apt-get", "dpkg-deb")
        for works, said in [attempt([program, "--version"])]
        if not works
    ]
    if found:
        return found
    if not KEYRING.exists():
        found.append(package(f"{why}, and Debian's keys are not here", "debian-archive-keyring"))
    try:
        mirror()
    except CannotRunHere as failure:
        found.append(Missing(str(failure), another, elsewhere=True))
    return found


def _config(major: str) -> Path:
    return places.CACHE / f"postgres-{major}" / "usr" / "lib" / "postgresql" / major / "bin" / "pg_config"


def postgres(major: str) -> Path:
    """The pg_config of that major version, fetched the first time."""
    tree, config = places.CACHE / f"postgres-{major}", _config(major)
    if not config.exists():
        with timed(f"Fetching Postgres {major} (packages of Debian {RELEASES[major]}, 70 MB)"):
            _unpack(major, tree)
    return config


def _unpack(major: str, tree: Path) -> None:
    half = Path(f"{tree}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    with tempfile.TemporaryDirectory() as directory:
        archives = Path(directory)
        apt = private_apt(archives, RELEASES[major])
        run([*apt, "update"], log=f"postgres-{major}")
        # With all that they depend on, down to the C library.
        wanted = [f"postgresql-{major}", "patchelf", *([] if major == "15" else [f"postgresql-{major}-pgvector"])]
        run([*apt, "install", "--yes", "--download-only", "--no-install-recommends", *wanted], log=f"postgres-{major}")
        # Without what it depends on, which is a compiler.
        headers = [f"postgresql-server-dev-{major}", "libpq-dev"]
        run([*apt, "download", *headers], log=f"postgres-{major}", cwd=archives)
        for package in archives.rglob("*.deb"):
            if not package.name.startswith(UNWANTED):
                run(["dpkg-deb", "--extract", package, half], log=f"postgres-{major}")
    # Programs find the C library and the others of their own release; older ones have two places.
    loader = next(path for top in ("usr/lib", "lib") for path in half.glob(f"{top}/*-linux-gnu/ld-linux-*.so.*"))
    places_of_libraries = [f"usr/lib/{loader.parent.name}", f"lib/{loader.parent.name}"]
    patchelf = [loader, "--library-path", _joined(half, places_of_libraries), half / "usr/bin/patchelf"]
    patchelf += ["--set-interpreter", tree / loader.relative_to(half)]
    patchelf += ["--force-rpath", "--set-rpath", _joined(tree, places_of_libraries)]
    for program in (half / "usr/lib/postgresql" / major / "bin").iterdir():
        if program.read_bytes()[:4] == b"\x7fELF":
            run([*patchelf, program], log=f"postgres-{major}")
    for compiler in half.glob(f"usr/lib/postgresql/{major}/lib/llvmjit.so"):
        compiler.unlink()
    shutil.rmtree(tree, ignore_errors=True)
    half.rename(tree)


def _joined(root: Path, directories: list[str]) -> str:
    return ":".join(str(root / directory) for directory in directories)


def private_apt(directory: Path, release: str, *, source: bool = False, security: bool = False) -> list[str]:
    """An apt-get with lists of its own, that knows of one release, without or with its security updates, and of nothing
    installed."""
    for name in ("lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "status").touch()
    sources = directory / "sources.list"
    kind = f"{'deb-src' if source else 'deb'} [signed-by={KEYRING}]"
    lines = [f"{kind} {mirror()} {release} main\n"]
    if security:
        lines.append(f"{kind} {mirror()}-security {release}-security main\n")
    sources.write_text("".join(lines))
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": directory / "lists",
        "Dir::State::Status": directory / "status",
        "Dir::Cache": directory / "cache",
        # Root's apt would otherwise fetch as a user who may not look into the directory.
        "APT::Sandbox::User": output(["id", "--user", "--name"]),
        "Debug::NoLocking": "true",
    }
    return ["apt-get", "--quiet", *(f"--option={key}={value}" for key, value in options.items())]


def mirror() -> str:
    """The mirror that this machine's own apt uses."""
    etc = Path("/etc/apt")
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.is_file() and (found := re.search(r"\b(https?://\S+/debian)/?\s", path.read_text())):
            return found[1]
    raise CannotRunHere("Debian's packages are wanted, and /etc/apt names no mirror of Debian")
