"""The README's two commands on bare systems, as they come from debootstrap: an ordinary user, nothing
but what the README names, and then with what lies about on people's machines.

It needs root and debootstrap, and takes as long as everything does from nothing. What is mounted and
what runs is in namespaces of its own, and ends with it.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import debian, places
from .console import Failure, output, run, say, step

# What a person has who has `make` at all; the rest must be asked for by our own words.
FIRST = "make,python3"
# Libraries that are called like libclang, and a Postgres of another major than is meant.
DISTRACTIONS = {
    "bookworm": ["llvm-14-dev", "postgresql-15"],
    "trixie": ["clang-19", "postgresql-17"],
}
USER = "somebody"
# Blanks in the clone's name are a case, too.
CLONE = f"/home/{USER}/a clone"
RUST = "/opt/rust"
OLD_CARGO_PGRX = "#!/bin/sh\necho cargo-pgrx 0.11.4\n"
# How this machine reaches servers, for programs in there to reach them the same way.
REACHING = ("PIP_", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_SOURCE_", "SSL_CERT_")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf")
# Whom this machine trusts; laid over what is in there when ca-certificates is, not instead of it.
TRUST = "/etc/ssl/certs/ca-certificates.crt"
ASKED_FOR = re.compile(r"^On Debian and Ubuntu: sudo apt-get install (.+)$", re.MULTILINE)


def run_all(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="make test-bare")
    parser.add_argument("--release", action="append", choices=DISTRACTIONS, help="of Debian; without it, all")
    parser.add_argument("--do", nargs="+", default=["demo", "test"], metavar="TARGET", help="of make (demo test)")
    given = parser.parse_args(arguments)
    if os.geteuid() != 0:
        raise Failure("test-bare needs root, for debootstrap and chroot")
    for program in ("debootstrap", "unshare"):
        if not shutil.which(program):
            raise Failure(f"{program} is missing. On Debian: apt-get install debootstrap util-linux")
    for release in given.release or DISTRACTIONS:
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="pgai_rs-bare-") as directory:
            Bare(release, Path(directory, release)).go(given.do)
        say(f"    Debian's {release}: passed")


class Bare:
    """One bare system."""

    def __init__(self, release: str, root: Path):
        self.release, self.root = release, root

    def go(self, targets: list[str]) -> None:
        step(f"Debian's {self.release}, with nothing but {FIRST}")
        run(
            ["debootstrap", "--variant=minbase", f"--include={FIRST}", self.release, self.root, debian.mirror()],
            log=f"bare-{self.release}",
        )
        self._settle()

        step("What is missing must be said at once")
        asked = ASKED_FOR.search(self._make("env", fails=True))
        if not asked:
            raise Failure("nothing was said of what is missing")
        say(f"    asked for: {asked[1]}")

        step("With what was asked for, and with distractions, all must go")
        self._apt(*asked[1].split(), *DISTRACTIONS[self.release])
        if "ca-certificates" in asked[1].split():
            self._take(TRUST)
        for target in targets:
            self._make(target)

    def _settle(self) -> None:
        """A user, a clone, a toolchain, and the way to servers."""
        self._inside(["useradd", "--create-home", USER])
        clone = self.root / CLONE.lstrip("/")
        for name in output(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=places.ROOT).splitlines():
            if (source := places.ROOT / name).exists():
                (clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, clone / name)
        (self.root / RUST.lstrip("/")).mkdir()
        program = self.root / "usr/local/bin/cargo-pgrx"
        program.write_text(OLD_CARGO_PGRX)
        program.chmod(0o755)

        for path in FILES:
            self._take(path)
        cargo = Path(os.environ.get("CARGO_HOME") or "~/.cargo").expanduser() / "config.toml"
        if cargo.exists():
            inside = self.root / "home" / USER / ".cargo"
            inside.mkdir()
            shutil.copy2(cargo, inside)
        self._inside(["chown", "--recursive", f"{USER}:{USER}", f"/home/{USER}"])

    def _take(self, path: str) -> None:
        inside = self.root / path.lstrip("/")
        if Path(path).exists():
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, inside)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(REACHING) or name in PROXIES}
        postgres = {"bookworm": "15", "trixie": "17"}[self.release]
        path = f"/usr/lib/postgresql/{postgres}/bin:{RUST}/bin:/usr/local/bin:/usr/bin:/bin"
        return kept | {"PATH": path, "HOME": f"/home/{USER}", "LANG": "C"}

    def _make(self, target: str, *, fails: bool = False) -> str:
        """Runs a step as the user; shows what it says, and returns it."""
        command = f"cd {shlex.quote(CLONE)} && exec make --no-print-directory {target}"
        if target == "env":
            command = f"cd {shlex.quote(CLONE)} && exec python3 tools/dev.py env"
        settings = [f"{name}={value}" for name, value in self._environment().items()]
        words = ["env", "--ignore-environment", *settings, "setpriv", "--reuid", USER, "--regid", USER, "--init-groups", "sh", "-c", command]
        said = []
        with subprocess.Popen(
            self._command(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as process:  # fmt: skip
            for line in process.stdout:
                said.append(line)
                say("    " + line.rstrip())
            code = process.wait()
        if bool(code) != fails:
            raise Failure(f"`make {target}` on a bare {self.release} ended with {code}")
        return "".join(said)

    def _apt(self, *packages: str) -> None:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            self._inside(["apt-get", "--quiet", *words], env=environment)

    def _inside(self, words: list[str], **options) -> None:
        run(self._command(words), log=f"bare-{self.release}", **options)

    def _command(self, words: list[str]) -> list[str]:
        """A command in there, in namespaces of its own: what it mounts or leaves running ends with it."""
        root, rust = shlex.quote(str(self.root)), output(["rustc", "--print", "sysroot"], cwd=places.ROOT)
        mounts = [
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs tmpfs {root}/dev/shm",
            f"if test -d {root}{RUST}; then mount --bind --read-only {shlex.quote(rust)} {root}{RUST}; fi",
            *(
                f"mkdir -p {root}{place} && mount --bind --read-only {place} {root}{place}"
                for place in self._places_named()
            ),
            f"exec chroot {root} {shlex.join(words)}",
        ]
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", " && ".join(mounts)]

    @staticmethod
    def _places_named() -> list[str]:
        """Directories that pip is told to look into."""
        named = os.environ.get("PIP_FIND_LINKS", "").split()
        return [place for place in named if Path(place).is_dir()]
