"""The demo's parts: a Postgres cluster, an S3 server and a model, started together."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from pathlib import Path

from pgai_dev import places, postgres
from pgai_dev.console import Failure, step, tail
from support.cluster import Cluster, Database
from support.embedder import EmbeddingServer
from support.s3 import S3Server

import documents

BUCKET = "documents"


class House:
    def __init__(self, openai: bool):
        self.postgres = postgres.wanted()
        # One for each Postgres and model, so that each keeps its embeddings.
        self.directory = places.DEMO / f"postgres-{self.postgres.major}{'-openai' if openai else ''}"
        self.openai = openai
        self.cluster: Cluster
        self.s3: S3Server
        self.bucket = None
        self.documents = documents.load()

    @contextlib.contextmanager
    def open(self):
        """Everything runs as long as this lasts, and nothing afterwards."""
        with _alone(), contextlib.ExitStack() as stack:
            self._discard_outdated()
            try:
                step("Starting the S3 server, the model and Postgres")
                self.s3 = S3Server(self.directory)
                stack.callback(self.s3.stop)
                env = {"OPENAI_API_KEY": os.environ.get("OPENAI_API_KEY", "") if self.openai else "none-needed"}
                conf = {}
                if not self.openai:
                    model = EmbeddingServer(places.EMBEDDING_SERVER, places.MODEL, self.directory)
                    stack.callback(model.stop)
                    conf["pgai_rs.openai_base_url"] = model.url
                # moto forgets its objects when it stops.
                self.bucket = self.s3.bucket(BUCKET)
                for document in self.documents:
                    self.bucket.put(document.key, document.content)
                self.cluster = Cluster(
                    self.postgres.ask("bindir"), self.directory / "cluster", conf=conf, env=self.s3.env | env
                )
                stack.callback(self._stop)
                self.cluster.create().start()
                yield
            except Exception as error:
                raise Failure(f"{type(error).__name__}: {error}\n\n{self._logs()}") from error

    def database(self) -> Database:
        """The database of the demo, made if it is not there."""
        if not self.cluster.sql("SELECT FROM pg_database WHERE datname = 'demo'"):
            self.cluster.create_database("demo")
        return Database(self.cluster, "demo")

    def _stop(self) -> None:
        if self.cluster.running:
            self.cluster.stop()

    def _discard_outdated(self) -> None:
        """A cluster of an earlier build would have another build's objects in it."""
        extension = self.postgres.ask("sharedir") / "extension"
        digest = hashlib.sha256()
        for path in sorted(extension.glob("pgai_rs*")):
            digest.update(path.read_bytes())
        stamp = self.directory / "extension"
        if self.directory.exists() and (not stamp.exists() or stamp.read_text() != digest.hexdigest()):
            step("Discarding the demo of an earlier build")
            shutil.rmtree(self.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest.hexdigest())

    def _logs(self) -> str:
        paths = [*sorted(self.directory.glob("*.log")), self.directory / "cluster" / "server.log"]
        return "\n".join(f"The end of {path}:\n{tail(path, 8)}" for path in paths if path.exists())


def clean() -> None:
    with _alone():
        shutil.rmtree(places.DEMO)


@contextlib.contextmanager
def _alone():
    places.DEMO.mkdir(parents=True, exist_ok=True)
    with Path(places.DEMO, ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure("the demo is open in another terminal; end it there first") from None
        yield
