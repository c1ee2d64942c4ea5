"""The embedding server of this workspace, on the real model."""

import re
from pathlib import Path

from support import process

MODEL = "all-MiniLM-L6-v2"
DIMENSIONS = 384


class EmbeddingServer:
    def __init__(self, program: Path, model: Path, directory: Path, port: int = 0):
        log = directory / "embedding-server.log"
        log.unlink(missing_ok=True)
        self._process = process.spawn(
            [program, "--model-dir", model, "--listen", f"127.0.0.1:{port}"],
            log,
            env=process.environment(directory),
        )
        self.url = process.announced(
            self._process, log, re.compile(r"listening on (http://\S+)"), "the embedding server"
        )[1]

    def stop(self) -> None:
        process.stop(self._process)
