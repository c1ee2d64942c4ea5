"""What the reader of the demo sees."""

import sys
import textwrap
import time

from pgai_dev.console import say

TERMINAL = sys.stdout.isatty()
WIDTH = 96


def heading(text: str) -> None:
    say(f"\n{bold(text)}")


def bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if TERMINAL else text


def code(text: str) -> None:
    say(textwrap.indent(textwrap.dedent(text).strip(), "    "))


def hit(rank: int, title: str, page: str | None, chunk: str, distance: float) -> None:
    place = f", page {page}" if page else ""
    say(f"  {rank}. {bold(title)}{place}  (distance {distance:.2f})")
    quote(chunk)


def cited(rank: int, uri: str, page: str | None, headings: list[str] | None, chunk: str, arms: dict) -> None:
    # A title of reStructuredText has a line above it.
    path = " > ".join(heading.strip("= ") for heading in headings or [])
    place = "".join(f", {part}" for part in (f"page {page}" if page else "", path) if part)
    names = {"vector": "vectors", "text": "words"}
    found = ", ".join(f"{name}: {arms[arm]['rank']}" for arm, name in names.items() if arm in arms)
    say(f"  {rank}. {bold(uri)}{place}  ({found})")
    quote(chunk)


def quote(chunk: str) -> None:
    snippet = textwrap.shorten(" ".join(chunk.split()), 2 * WIDTH, placeholder=" …")
    say(textwrap.fill(snippet, WIDTH, initial_indent="     ", subsequent_indent="     "))


class Progress:
    """A line that is rewritten on a terminal, and a few lines elsewhere."""

    def __init__(self, total: int):
        self.total = total
        self.start = time.monotonic()
        self._shown = -1

    def show(self, done: int, chunks: int) -> None:
        tenth = 10 * done // max(1, self.total)
        if not TERMINAL and tenth == self._shown:
            return
        self._shown = tenth
        bar = "#" * (3 * tenth) + "." * (30 - 3 * tenth)
        elapsed = time.monotonic() - self.start
        line = f"    [{bar}] {done}/{self.total} documents, {chunks} chunks, {elapsed:.0f} s"
        print(f"\r{line}" if TERMINAL else line, end="" if TERMINAL else "\n", flush=True)

    def end(self) -> None:
        if TERMINAL:
            print()
