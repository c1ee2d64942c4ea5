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
    """Something is missing, which is nobody's fault: `test-matrix` goes on without it."""

    code = 77


_aside = False


def speak_aside() -> None:
    """Says everything on the standard error from now on: the output of `env` is evaluated."""
    global _aside
    _aside = True


def say(text: str) -> None:
    print(text, file=sys.stderr if _aside else sys.stdout, flush=True)


def step(text: str) -> None:
    say(f"==> {text}")


def run(command, *, log: str | None = None, **options) -> None:
    """Runs a command: shown as it is, or, with `log`, into a file whose end is shown on failure."""
    command = [str(word) for word in command]
    if log is None:
        try:
            code = subprocess.run(command, **options).returncode
        except OSError as error:
            raise Failure(f"`{_short(command)}` cannot be run: {error.strerror}") from None
        if code:
            raise Failure(f"`{_short(command)}` failed with exit code {code}")
        return
    path = log_path(log)
    with path.open("w") as out:
        try:
            code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, **options).returncode
        except OSError as error:
            raise Failure(f"`{_short(command)}` cannot be run: {error.strerror}") from None
    if code:
        raise Failure(f"`{_short(command)}` failed with exit code {code}:\n{tail(path)}\n(all of it: {path})")


def _short(command: list[str]) -> str:
    return " ".join(command[:4]) + " …" * (len(command) > 4)


def log_path(name: str) -> Path:
    places.LOGS.mkdir(parents=True, exist_ok=True)
    return places.LOGS / f"{name}.log"


def output(command, **options) -> str:
    """Returns what a command that must succeed writes."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", **options)
    except OSError as error:
        raise Failure(f"`{_short(command)}` cannot be run: {error.strerror}") from None
    if done.returncode:
        said = "\n".join("    " + line for line in (done.stderr or done.stdout).splitlines()[-25:])
        raise Failure(f"`{_short(command)}` failed with exit code {done.returncode}:\n{said}")
    return done.stdout.strip()


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
