"""Things that are missing on a machine, and trying whether it is."""

import os
import subprocess
from dataclasses import dataclass

# A program that does not answer by then is as good as not there.
PATIENCE = 120


@dataclass(frozen=True)
class Missing:
    what: str
    mend: str
    packages: tuple[str, ...] = ()
    # Nobody's fault: it is there on other systems.
    elsewhere: bool = False


def package(what: str, *names: str) -> Missing:
    """Something that packages of Debian bring."""
    return Missing(what, f"apt-get install {' '.join(names)}", names)


def attempt(command, **options) -> tuple[bool, str]:
    """Tells whether a command succeeds, and returns what it says."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            **options,
        )
    except OSError as error:
        return False, f"{words[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return False, f"{words[0]} did not end within {PATIENCE} seconds"
    return done.returncode == 0, done.stdout.strip()


def programs(what: str, packages: dict[str, str]) -> list[Missing]:
    """Returns the programs that cannot be run, of these with their packages; `what` is done with them."""
    found = []
    for program, name in packages.items():
        works, said = attempt([program, "--version"])
        if not works:
            found.append(package(f"{what} with {program}, which cannot be run: {said}", name))
    return found


def end(text: str, lines: int = 6) -> str:
    """The last lines of what a program said."""
    return "\n".join(text.splitlines()[-lines:])


def set_here(*names: str) -> str:
    """Returns those of these variables that are set, for somebody who wonders why."""
    found = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    return f"\n(with {', '.join(found)} in the environment)" if found else ""
