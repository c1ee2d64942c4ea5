"""cargo at work: one line says how far it is and how long it still takes; its own words go into a log."""

import os
import re
import subprocess
import sys
import time
from bisect import bisect_right

from . import places
from .console import Failure, log_path, say

# On a terminal the line is written over itself; elsewhere there is a new one now and then.
SECONDS_BETWEEN_LINES = 30
COUNT = re.compile(r"Building \[[=> ]*\] (\d+)/(\d+)")
WARNINGS = re.compile(r"warning: .* generated \d+ warnings?")
# The first crates are small and the last ones large: what share of the time a share of the crates
# takes, as measured from nothing. Below this many crates nobody needs to be told how long.
COURSE = ((0, 0), (0.2, 0.1), (0.5, 0.25), (0.65, 0.36), (0.8, 0.5), (0.96, 0.68), (0.98, 0.76), (0.99, 0.87), (1, 1))
MANY = 100


def cargo(command: list[str], *, log: str, env: dict[str, str]) -> None:
    """Runs cargo; its end is shown if it fails."""
    path = log_path(log)
    shown = {"CARGO_TERM_PROGRESS_WHEN": "always", "CARGO_TERM_PROGRESS_WIDTH": "100", "CARGO_TERM_COLOR": "never"}
    line = Line()
    # `--no-run` names the programs on its standard output, too.
    with path.open("w") as out, subprocess.Popen(
        command,
        cwd=places.ROOT,
        env=env | shown,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        for text in pieces(process.stderr):
            if count := COUNT.search(text):
                line.show(int(count[1]), int(count[2]))
            elif text.strip():
                out.write(text + "\n")
                out.flush()
        code = process.wait()
    line.end()

    text = path.read_text(errors="replace")
    for warning in WARNINGS.findall(text):
        say(f"    {warning} ({path})")
    if code:
        raise Failure(f"`{' '.join(command[:2])}` failed with exit code {code}:\n{why(text)}\n(all of it: {path})")


def pieces(stream):
    """Cuts what cargo writes, where it ends a line or goes back to its beginning."""
    rest = b""
    while block := os.read(stream.fileno(), 65536):
        *whole, rest = re.split(rb"[\r\n]", rest + block)
        yield from (piece.decode(errors="replace").rstrip() for piece in whole)
    yield rest.decode(errors="replace").rstrip()


def why(text: str, most: int = 40) -> str:
    """The first error with what follows, else the end."""
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("error")), None)
    shown = lines[-most:] if first is None else lines[first : first + most]
    if "SIGKILL" in text:
        shown.append("A compiler was killed: this machine may have too little memory. Try CARGO_BUILD_JOBS=1.")
    return "\n".join("    " + line for line in shown)


class Line:
    """The line that says how far it is, how long it took, and how long it still takes."""

    def __init__(self, clock=time.monotonic, out=None):
        self._clock, self._out = clock, out or sys.stdout
        self._over = self._out.isatty()
        self._start = clock()
        self._first: tuple[int, float] | None = None
        self._said = self._start
        self._left = 0

    def show(self, done: int, total: int) -> None:
        now = self._clock()
        if self._first is None:
            self._first = (done, now)
        text = f"    {done} of {total} crates compiled, {minutes(now - self._start)} so far{self._still(done, total, now)}"
        if self._over:
            self._out.write("\r" + text.ljust(self._left))
            self._left = len(text)
        elif now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            self._out.write(text + "\n")
        self._out.flush()

    def _still(self, done: int, total: int, now: float) -> str:
        first, since = self._first
        begun, share = course(first / total), course(done / total)
        if total - first < MANY or share - begun < 0.05:
            return ""
        left = (now - since) * (1 - share) / (share - begun)
        return f", about {minutes(left)} to go"

    def end(self) -> None:
        """Leaves the terminal's line; says how long it took if that was long."""
        if self._over and self._left:
            self._out.write("\r" + " " * self._left + "\r")
        took = self._clock() - self._start
        if took > 5:
            self._out.write(f"    took {minutes(took)}\n")
        self._out.flush()


def course(crates: float) -> float:
    """The share of the time that a share of the crates takes."""
    place = min(bisect_right(COURSE, (crates, 2)), len(COURSE) - 1)
    (x, y), (to_x, to_y) = COURSE[place - 1], COURSE[place]
    return y + (to_y - y) * (crates - x) / (to_x - x)


def minutes(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
