"""pgspot, which finds calls in SQL scripts that a schema of somebody else's could answer."""

import re
import tempfile
from pathlib import Path

from . import package, places, python_packages
from .console import output, step

REQUIREMENTS = Path(__file__).with_name("pgspot.txt")

# What is not to be reported, and why.
ALLOWED = [
    # Since 14.5 an extension replaces no function or view that is not its own.
    *("--ignore", "PS002", "--ignore", "PS015"),
    # A procedure that commits can't have settings of its own. It names and qualifies all it calls, which is checked.
    *("--proc-without-search-path", "ai._vectorizer_job(job_id int4,config jsonb)"),
]

# pgspot can't read the bodies of functions in standard SQL. They are looked up where they are made: under the search path
# of the script, which it checks; and a test of the upgrade looks what they came to depend on.
STANDARD_BODY = re.compile(r"^(RETURN\b|BEGIN ATOMIC$)", re.MULTILINE)


def check() -> None:
    """Fails if the install script, or an upgrade script of the version to come, calls what is not certain."""
    step("Looking at the SQL scripts with pgspot")
    python = python_packages.environment(places.CACHE / "venv-pgspot", REQUIREMENTS, "Setting up pgspot")
    to_come = package.SQL.glob(f"pgai_rs--*--{package.version()}.sql")
    scripts = [package.install_script(), *(package.upgrade_script(path) for path in to_come)]
    for script in scripts:
        readable = [text for text in package.statements(script) if not STANDARD_BODY.search(text)]
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write("\n".join(readable))
            file.flush()
            output([python.with_name("pgspot"), *ALLOWED, file.name])
