"""timescale/pgai from PyPI: its installer, its worker, and its users' Python."""

import os
import subprocess
from pathlib import Path

from pgai_dev import places, python_packages

REQUIREMENTS = Path(__file__).parents[1] / "pgai" / "pgai.txt"


class Pgai:
    def __init__(self):
        what = "Setting up pgai, SQLAlchemy and Alembic"
        self._python = python_packages.environment(places.CACHE / "venv-pgai-client", REQUIREMENTS, what)

    def install(self, db) -> None:
        """`pgai install`, into a database without our extension."""
        db.sql("CREATE EXTENSION vector")
        self.run_installer(db)

    def run_installer(self, db, *, user: str = "postgres") -> None:
        self._run("pgai", "install", "-d", url(db, user=user))

    def work(self, db) -> None:
        """Lets pgai's worker do what there is to do."""
        self._run("pgai", "vectorizer", "worker", "-d", url(db), "--once", "--exit-on-error", "true")

    def alembic(self, directory: Path, *arguments: str) -> None:
        """Alembic in a project."""
        self._run("alembic", *arguments, directory=directory)

    def python(self, script: Path, *arguments: str) -> str:
        """A script of a user's; answers what it printed."""
        return self._run("python", script, *arguments)

    def _run(self, program: str, *arguments, directory: Path | None = None) -> str:
        done = subprocess.run(
            [str(word) for word in (self._python.with_name(program), *arguments)],
            env=os.environ | {"OPENAI_API_KEY": "sk-test", "DD_TRACE_ENABLED": "false"},
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{program} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


def url(db, scheme: str = "postgresql", *, user: str = "postgres") -> str:
    """The database's address."""
    return f"{scheme}://{user}@/{db.name}?host={db.cluster.host}&port={db.cluster.port}"
