"""The demo's story as containers/compose.yaml has it told: by this server, the package's embedding server and an S3 server."""

import os
import subprocess
import sys
from pathlib import Path

from pgai_dev import places
from pgai_dev.console import Failure, log_path
from pgai_dev.deb import layout_of

from support.embedder import EmbeddingServer
from support.packages.machine import Machine
from support.s3 import S3Server

DATABASE = "demo"
PASSWORD = "only-for-looking"
# One of its questions, and where the answer is.
ANSWERED = ("What did the mortar shells look like at night?", "The siege of Vicksburg, a soldier's diary")


def tell(machine: Machine, s3: S3Server, directory: Path) -> None:
    """Has the story told, and looks for the answer to a question of it."""
    program = machine.root.path / str(layout_of(machine.major).programs / "pgai_rs_embedding_server").lstrip("/")
    model = EmbeddingServer(program, places.MODEL, directory)
    try:
        machine.settings(pgai_rs__openai_base_url=model.url)
        machine.restart()
        machine.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
        machine.sql(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'", database="postgres")
        told = _told(s3.env | _reaching(machine.sql("SHOW port", database="postgres")))
    finally:
        model.stop()
    question, answer = ANSWERED
    if answer not in told.partition(question)[2]:
        raise Failure(f"the demo did not find {answer!r}:\n{told[-3000:]}")


def _reaching(port: str) -> dict[str, str]:
    return {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "postgres", "PGPASSWORD": PASSWORD, "PGDATABASE": DATABASE}


def _told(environment: dict[str, str]) -> str:
    command = [sys.executable, places.ROOT / "tools" / "dev.py", "demo-elsewhere"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    log_path("packages-demo").write_text(done.stdout + done.stderr)
    if done.returncode:
        raise Failure(f"the demo ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
