"""A root file system out of Debian's archive, and what runs in it: in namespaces of its own, and ending with us."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from pgai_dev import debian
from pgai_dev.console import Failure, log_path, run, tail

from support import process
from support.wait import eventually

# How this machine reaches servers, for apt in there to reach them the same way.
REACHING = ("/etc/resolv.conf", "/etc/hosts")
# A mirror may keep a copy of a release that is not finished yet for longer than the weeks that it is good for.
OLD_COPIES = 'Acquire::Check-Valid-Until "false"'
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    # As Debian's installer leaves it; Postgres takes a database's encoding from it.
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Root:
    def __init__(self, release: str, directory: Path):
        self.release, self.path = release, directory / release
        self._log = f"packages-{release}"
        self._keeper: subprocess.Popen | None = None

    def __enter__(self) -> "Root":
        options = ["--variant=apt", "--mode=root", f"--aptopt={OLD_COPIES}"]
        run(["mmdebstrap", *options, self.release, self.path, debian.mirror()], log=self._log)
        for path in REACHING:
            if Path(path).exists():
                shutil.copy2(path, self.path / path.lstrip("/"))
        try:
            self._keep()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self._keeper:
            # All that runs in there ends with the first process of its namespace.
            process.stop(self._keeper)
        shutil.rmtree(self.path)

    def _keep(self) -> None:
        """Starts the first process of the namespaces, and waits until it is in the root."""
        root, ready = shlex.quote(str(self.path)), self.path / "tmp" / "ready"
        steps = [
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs tmpfs {root}/dev/shm",
            # It waits for children as an init does: of those that are given to it, too.
            f"exec chroot {root} sh -c 'touch /tmp/ready; sleep infinity & wait'",
        ]
        unshare = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "sh", "-c", " && ".join(steps)]
        self._keeper = process.spawn(unshare, log_path(f"{self._log}-keeper"), env=dict(os.environ))
        eventually(ready.exists, what="a process in the root")
        ready.unlink()

    def run(self, *words, user: str = "root", given: str | None = None, env: dict[str, str] | None = None) -> str:
        """Runs a command in there that must succeed, and returns what it writes."""
        done = self.attempt(*words, user=user, given=given, env=env)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()
            raise Failure(f"`{shlex.join(map(str, words))}` in {self.release} failed with {done.returncode}:\n{said[-3000:]}")
        return done.stdout.strip()

    def attempt(self, *words, user: str = "root", given: str | None = None, env: dict[str, str] | None = None):
        """Runs a command in there, and returns how it ended."""
        settings = ENVIRONMENT | {name: os.environ[name] for name in PROXIES if name in os.environ} | (env or {})
        as_user = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        enter = ["nsenter", f"--target={self._first()}", "--mount", "--pid", "--ipc", "--root"]
        command = [*enter, "env", "--ignore-environment", "--chdir=/", *(f"{name}={value}" for name, value in settings.items()), *as_user]
        source = {"input": given} if given is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(
            [*command, *map(str, words)], capture_output=True, text=True, errors="replace", **source
        )  # fmt: skip
        with log_path(self._log).open("a") as log:
            log.write(f"$ {shlex.join(map(str, words))}\n{done.stdout}{done.stderr}")
        return done

    def _first(self) -> int:
        assert self._keeper and self._keeper.poll() is None, tail(log_path(f"{self._log}-keeper"))
        keeper = self._keeper.pid
        return int(Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0])

    def take(self, path: Path) -> str:
        """Copies a file to where everybody in there can read it, and returns its path there."""
        target = self.path / "srv" / path.name
        shutil.copyfile(path, target)
        target.chmod(0o644)
        return f"/srv/{path.name}"

    def write(self, path: str, text: str) -> None:
        (self.path / path.lstrip("/")).write_text(text)
