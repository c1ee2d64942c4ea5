"""The Postgres of a root file system, used with what Debian's packages bring for it."""

import time
from pathlib import Path

from pgai_dev.console import Failure
from pgai_dev.deb import layout_of

from support.packages.root import Root
from support.wait import eventually

DATABASE = "app"


class Machine:
    def __init__(self, root: Root, major: str, environment: dict[str, str], *, stands_in: bool = False):
        self.root, self.major = root, major
        # A server that makes no cluster when it is installed, and knows no TLS.
        self._stands_in = stands_in
        # The server's own: keys, and where S3 is.
        self._environment = environment
        self._etc = f"/etc/postgresql/{major}/main"

    def install(self, *packages: Path | str) -> None:
        """Installs packages by name, or files of packages. That what they need suffices is a part of the promise."""
        names = [self.root.take(package) if isinstance(package, Path) else package for package in packages]
        self.root.run("apt-get", "--quiet", "update")
        self.root.run("apt-get", "--quiet", "--yes", "--no-install-recommends", "install", *names)

    def remove(self, package: str) -> None:
        self.root.run("apt-get", "--quiet", "--yes", "remove", package)

    def settings(self, **settings: str) -> None:
        """Writes lines of postgresql.conf, and what the server has in its environment."""
        for name, value in settings.items():
            self.root.run("pg_conftool", self.major, "main", "set", name.replace("__", "."), value)
        lines = (f"{name} = '{value}'\n" for name, value in self._environment.items())
        self.root.write(f"{self._etc}/environment", "".join(lines))

    def forget_setting(self, name: str) -> None:
        self.root.run("pg_conftool", self.major, "main", "remove", name)

    def files(self) -> list[str]:
        """Returns the paths of our library, its program, control file and scripts."""
        layout = layout_of(self.major)
        directories = [self.root.path / str(path).lstrip("/") for path in (layout.library, layout.extension)]
        found = sorted(path for directory in directories for path in directory.glob("pgai_rs*"))
        return [f"/{path.relative_to(self.root.path)}" for path in found]

    def create_cluster(self) -> None:
        self.root.run("pg_createcluster", self.major, "main")
        if self._stands_in:
            self.root.run("pg_conftool", self.major, "main", "set", "ssl", "off")

    def ensure_cluster(self) -> None:
        """Makes the cluster that the package of a server makes by itself."""
        if self._stands_in:
            self.create_cluster()

    def drop_clusters(self) -> None:
        """Drops all clusters, also those that the packages of servers have made."""
        for line in self.root.run("pg_lsclusters", "--no-header").splitlines():
            self.root.run("pg_dropcluster", "--stop", *line.split()[:2])

    def restart(self) -> None:
        self.root.run("pg_ctlcluster", self.major, "main", "restart")

    def sql(self, statement: str, database: str = DATABASE) -> str:
        """Returns what a statement of a superuser returns: lines, with | between columns."""
        return self.root.run(*self._psql(database), given=statement, user="postgres")

    def refused(self, statement: str) -> str:
        """Returns with which words the server refuses a statement."""
        done = self.root.attempt(*self._psql(DATABASE), given=statement, user="postgres")
        if not done.returncode:
            raise Failure(f"not refused: {statement}")
        return done.stderr.strip()

    def _psql(self, database: str) -> list[str]:
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        return ["psql", f"--cluster={self.major}/main", *options, f"--dbname={database}"]

    def create_database(self) -> None:
        self.root.run("createdb", f"--cluster={self.major}/main", DATABASE, user="postgres")

    def eventually(self, statement: str, wanted: str) -> None:
        """Waits until a statement returns what is wanted."""
        eventually(lambda: self.sql(statement) == wanted, what=f"{statement} to return {wanted!r}", interval=0.1)

    def log(self) -> str:
        path = self.root.path / f"var/log/postgresql/postgresql-{self.major}-main.log"
        return path.read_text(errors="replace")


class Watch:
    """Seconds since the start, told at each stage."""

    def __init__(self):
        self._start = time.monotonic()
        self.stages: list[tuple[str, float]] = []

    def stage(self, what: str) -> None:
        self.stages.append((what, time.monotonic() - self._start))
