"""Building with cargo, always in one and the same manner, so that nothing is compiled twice."""

import json
import os
import shlex
import shutil
from pathlib import Path

from . import places, python_packages
from .console import Failure, log_path, output, run, step, timed
from .postgres import Postgres

CARGO_PGRX = "0.18.1"
LIBCLANG_WHEEL = "libclang==18.1.1"
LIBCLANG_DIGESTS = (
    "c533091d8a3bbf7460a00cb6c1a71da93bffe148f172c7d03b1c31fbf8aa2a0b",  # x86_64
    "54dda940a4a0491a9d1532bf071ea3ef26e6dbaf03b5000ed94dd7174e8f9592",  # aarch64
)


def environment(postgres: Postgres) -> dict[str, str]:
    """What cargo needs to know beyond what is in the environment already."""
    pgrx_home = places.TOOLS / "pgrx"
    pgrx_home.mkdir(parents=True, exist_ok=True)
    return {
        "CARGO_TARGET_DIR": str(places.TARGET),
        "PATH": f"{places.TOOLS / 'bin'}:{os.environ['PATH']}",
        "PGRX_HOME": str(pgrx_home),
        "PGRX_PG_CONFIG_PATH": str(postgres.config),
        # build.rs gives the linker what cargo-pgrx would give to every crate by rustflags; with
        # them, its artefacts would differ from those of plain cargo.
        "CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND": "1",
        # Which crates are selected decides the features of their dependencies, and with it
        # whether an artefact can be reused: every command selects the whole workspace.
        "PGRX_BUILD_FLAGS": "--workspace --bins",
        **_bindgen(),
    }


def features(postgres: Postgres) -> list[str]:
    return ["--no-default-features", "--features", f"pg{postgres.major}"]


def cargo(postgres: Postgres, *arguments: str) -> None:
    command = ["cargo", arguments[0], "--release", "--workspace", *features(postgres), *arguments[1:]]
    run(command, cwd=places.ROOT, env=os.environ | environment(postgres))


def ensure_tools() -> None:
    """A compiler, a linker and cargo-pgrx at the version of the crate pgrx."""
    for program, hint in {
        "cargo": "Rust is missing: install it with rustup",
        "gcc": "a C compiler is missing. On Debian: apt install gcc libc6-dev",
    }.items():
        if not shutil.which(program):
            raise Failure(hint)
    program = places.TOOLS / "bin" / "cargo-pgrx"
    if program.exists() and output([program, "pgrx", "--version"]).endswith(f" {CARGO_PGRX}"):
        return
    with timed(f"Building cargo-pgrx {CARGO_PGRX} (once, about three minutes on two cores)"):
        # Unoptimised, for it does little; without its default features, which want OpenSSL's headers.
        run(
            ["cargo", "install", "cargo-pgrx", "--version", f"={CARGO_PGRX}", "--locked"]
            + ["--debug", "--no-default-features", "--force", "--root", places.TOOLS],
            log="cargo-pgrx",
            env=os.environ | {"CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_TARGET_DIR": str(places.TOOLS / "target")},
        )
        shutil.rmtree(places.TOOLS / "target", ignore_errors=True)


def _bindgen() -> dict[str, str]:
    """bindgen reads Postgres's headers by libclang: the machine's, or one from PyPI."""
    if os.environ.get("LIBCLANG_PATH") or _system_libclang():
        return {}
    library = places.LIBCLANG / f"{LIBCLANG_WHEEL.replace('==', '-')}.data" / "platlib" / "clang" / "native"
    if not library.exists():
        with timed("Fetching libclang (a wheel from PyPI, 24 MB)"):
            python_packages.unpack(python_packages.wheel(LIBCLANG_WHEEL, LIBCLANG_DIGESTS), places.LIBCLANG)
    # The wheel has no headers of its own; gcc's stddef.h and the like serve.
    builtin = output(["gcc", "-print-file-name=include"])
    given = os.environ.get("BINDGEN_EXTRA_CLANG_ARGS", "")
    return {"LIBCLANG_PATH": str(library), "BINDGEN_EXTRA_CLANG_ARGS": f"{given} -I{shlex.quote(builtin)}".strip()}


def _system_libclang() -> bool:
    directories = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/lib/llvm*/lib", "/usr/lib/*-linux-gnu")
    return any(any(Path("/").glob(f"{directory[1:]}/libclang*.so*")) for directory in directories)


def build(postgres: Postgres) -> Path:
    """Builds the extension and its programs, and lays out the tree that is to be installed."""
    stage = places.CACHE / "stage" / postgres.major
    shutil.rmtree(stage, ignore_errors=True)
    step(f"Building pgai_rs for Postgres {postgres.major} ({postgres.config})")
    # What cargo says goes to the terminal; what cargo-pgrx says about copying does not.
    with log_path("cargo-pgrx-package").open("w") as out:
        run(
            ["cargo", "pgrx", "package", *features(postgres)]
            + ["--pg-config", postgres.config, "--out-dir", stage],
            cwd=places.ROOT,
            env=os.environ | environment(postgres),
            stdout=out,
        )
    # cargo-pgrx takes along the scripts from version to version, but not those of earlier versions.
    scripts = stage / str(postgres.ask("sharedir")).lstrip("/") / "extension"
    for script in (places.ROOT / "sql" / "released").glob("*.sql"):
        shutil.copy2(script, scripts)
    programs = stage / str(postgres.ask("bindir")).lstrip("/")
    programs.mkdir(parents=True, exist_ok=True)
    for program in _programs():
        shutil.copy2(program, programs)
    return stage


def _programs() -> list[Path]:
    """The workspace's programs, as cargo knows them."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked"]
    packages = json.loads(output(command, cwd=places.ROOT))["packages"]
    names = [target["name"] for package in packages for target in package["targets"] if "bin" in target["kind"]]
    return [places.TARGET / "release" / name for name in names]


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
        try:
            run([*sudo, "install", "-D", f"--mode={mode}", source, target], log="install")
        except Failure:
            if sudo or os.access(target.parent, os.W_OK):
                raise
            raise Failure(f"{target.parent} is not writable by you: say `make install SUDO=sudo …`") from None


def lint(postgres: Postgres) -> None:
    """What the continuous integration refuses."""
    env = os.environ | environment(postgres)
    step("Formatting")
    run(["cargo", "fmt", "--all", "--check"], cwd=places.ROOT)
    step("Clippy")
    cargo(postgres, "clippy", "--all-targets", "--", "--deny=warnings")
    step("Rustdoc")
    # The extension's documentation is its developers': private items are part of it.
    os.environ["RUSTDOCFLAGS"] = "--deny=warnings --allow=rustdoc::private_intra_doc_links"
    cargo(postgres, "doc", "--no-deps", "--document-private-items")
    if not shutil.which("cargo-deny"):
        step("Skipping cargo-deny, which is not installed: cargo install cargo-deny --locked")
        return
    step("Licences and advisories")
    run(["cargo", "deny", "--workspace", "check"], cwd=places.ROOT, env=env)
