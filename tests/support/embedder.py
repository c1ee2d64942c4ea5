"""The embedding server of this workspace, on the real model."""

import re
from pathlib import Path

from support import process

MODEL = "all-MiniLM-L6-v2"
DIMENSIONS = 384


class EmbeddingServer:
    """A server on a port, or on a Unix socket if one is named. Its log is in `directory`."""

    def __init__(self, program: Path, model: Path, directory: Path, port: int = 0, socket: Path | None = None):
        log = directory / "embedding-server.log"
        log.unlink(missing_ok=True)
        place = ["--unix", socket] if socket else ["--listen", f"127.0.0.1:{port}"]
        self._process = process.spawn([program, "--model-dir", model, *place], log, env=process.environment(directory))
        self.url = process.announced(
            self._process, log, re.compile(r"listening on ((?:http|unix):\S+)"), "the embedding server"
        )[1]
        if socket:
            # Postgres may run as another user than the tests.
            socket.chmod(0o666)

    def stop(self) -> None:
        process.stop(self._process)
