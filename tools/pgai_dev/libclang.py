"""libclang, by which bindgen reads Postgres's headers.

It is always the same one, a wheel from PyPI, whatever the machine has: a file that is called libclang
may be a library of another kind, too old, or without its headers. LIBCLANG_PATH chooses another, which
`checks/libclang.py` tries.
"""

import os
import shlex
from pathlib import Path

from . import places, python_packages
from .console import output, timed

WHEEL = "libclang==18.1.1"
WHEEL_DIGESTS = (
    "c533091d8a3bbf7460a00cb6c1a71da93bffe148f172c7d03b1c31fbf8aa2a0b",  # x86_64
    "54dda940a4a0491a9d1532bf071ea3ef26e6dbaf03b5000ed94dd7174e8f9592",  # aarch64
)
FETCHED = places.LIBCLANG / f"{WHEEL.replace('==', '-')}.data" / "platlib" / "clang" / "native" / "libclang.so"
# As bindgen's clang-sys looks for it in a directory. What is called libclang-cpp is another library.
NAMES = ("libclang.so", "libclang-[0-9]*.so", "libclang.so.*", "libclang-[0-9]*.so.*")
PROBE = Path(__file__).with_name("libclang_probe.py")


def environment() -> dict[str, str]:
    """Returns what bindgen needs to find the library and gcc's headers; the library is named as a file, so
    that nothing else is found instead."""
    if given := os.environ.get("LIBCLANG_PATH"):
        library = chosen(Path(given)) or Path(given)
        return {"LIBCLANG_PATH": str(library)} | flags_of(library)
    if not FETCHED.exists():
        with timed("Fetching libclang (a wheel from PyPI, 24 MB)"):
            python_packages.unpack(python_packages.wheel(WHEEL, WHEEL_DIGESTS), places.LIBCLANG)
    return {"LIBCLANG_PATH": str(FETCHED)} | flags_of(FETCHED)


def chosen(given: Path) -> Path | None:
    """The library that a LIBCLANG_PATH means, which may be one or a directory."""
    if given.is_dir():
        return next((path for name in NAMES for path in sorted(given.glob(name), reverse=True)), None)
    return given if given.is_file() else None


def flags_of(library: Path) -> dict[str, str]:
    """gcc's stddef.h and the like: the wheel has none, and others may have been installed without theirs."""
    builtin = output(["gcc", "-print-file-name=include"])
    where = "-I" if library == FETCHED else "-idirafter "
    given = os.environ.get("BINDGEN_EXTRA_CLANG_ARGS", "")
    return {"BINDGEN_EXTRA_CLANG_ARGS": f"{given} {where}{shlex.quote(builtin)}".strip()}
