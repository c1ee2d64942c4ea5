"""Starting programs that must not outlive the one who started them."""

import os
import pwd
import subprocess
from pathlib import Path

from support.wait import eventually


def unprivileged() -> pwd.struct_passwd | None:
    """The user that a cluster runs as if we are root, which Postgres refuses; None if we are not."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def spawn(
    command, log: Path, *, env: dict[str, str], user=None, signal: str = "TERM", limits: dict | None = None
) -> subprocess.Popen:
    """Starts a program that gets `signal` from the kernel if we die, however we die.

    `limits` are those of the operating system: {"RLIMIT_NOFILE": (soft, hard)}.
    """
    identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if user else []
    bounds = [f"--{name.removeprefix('RLIMIT_').lower()}={soft}:{hard}" for name, (soft, hard) in (limits or {}).items()]
    bounded = ["prlimit", *bounds, "--"] if bounds else []
    with log.open("ab") as out:
        return subprocess.Popen(
            [*bounded, "setpriv", *identity, f"--pdeathsig={signal}", "--", *(str(word) for word in command)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=env,
            # A Ctrl-C is ours to handle: we stop the programs in the right order.
            start_new_session=True,
        )


def stop(process: subprocess.Popen, timeout: float = 10) -> None:
    process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def announced(process: subprocess.Popen, log: Path, pattern, what: str, timeout: float = 60):
    """The match of `pattern` in what a program that is coming up has written."""

    def look():
        text = log.read_text(errors="replace")
        assert process.poll() is None, f"{what} ended with {process.returncode}:\n{text[-2000:]}"
        return pattern.search(text)

    return eventually(look, timeout=timeout, what=f"{what} to come up")


def environment(home: Path, extra: dict[str, str] | None = None) -> dict[str, str]:
    """An environment in which nothing of the caller's account can leak: no AWS profile, no keys."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "AWS_EC2_METADATA_DISABLED": "true",
        **(extra or {}),
    }
