"""One line per step for the reader, the rest into a log, and an end that says what to do."""

import contextlib
import fcntl
import subprocess
import sys
import time
from pathlib import Path

from . import places


class Failure(Exception):
    """Ends the program with a message for a person, without a traceback."""

    code = 1


class CannotRunHere(Failure):
    """What is missing is nobody's fault: `test-matrix` goes on without it."""

    code = 77


def say(text: str) -> None:
    print(text, flush=True)


def step(text: str) -> None:
    say(f"==> {text}")


def run(command, *, log: str | None = None, **options) -> None:
    """Runs a command: shown as it is, or, with `log`, into a file whose end is shown on failure."""
    command = [str(word) for word in command]
    if log is None:
        code = subprocess.run(command, **options).returncode
        if code:
            raise Failure(f"`{_short(command)}` failed with exit code {code}")
        return
    path = log_path(log)
    with path.open("w") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, **options).returncode
    if code:
        raise Failure(f"`{_short(command)}` failed with exit code {code}:\n{tail(path)}\n(all of it: {path})")


def _short(command: list[str]) -> str:
    return " ".join(command[:4]) + " …" * (len(command) > 4)


def log_path(name: str) -> Path:
    places.LOGS.mkdir(parents=True, exist_ok=True)
    return places.LOGS / f"{name}.log"


def output(command, **options) -> str:
    command = [str(word) for word in command]
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout.strip()


def tail(path: Path, lines: int = 25) -> str:
    try:
        return "\n".join("    " + line for line in path.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"    ({error})"


@contextlib.contextmanager
def locked():
    """One set-up at a time for each cache: two clones may run `make` at once."""
    places.CACHE.mkdir(parents=True, exist_ok=True)
    with (places.CACHE / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step("Waiting for another set-up in the same cache")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def timed(text: str):
    step(text)
    start = time.monotonic()
    yield
    took = time.monotonic() - start
    if took > 5:
        say(f"    took {took:.0f} s")
    sys.stdout.flush()
