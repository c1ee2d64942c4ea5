"""The two whose costs are compared: our worker, which runs in the cluster, and pgai's, a program beside it."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.cluster import Cluster
from support.s3 import S3Server
from support.stub import Stub
from support.wait import eventually

from peer_pgai import Pgai
from process_cpu import cpu_seconds

DIMENSIONS = 768


@dataclass
class Work:
    """A vectorizer whose worker is warm: it has embedded the row with the id −1."""

    cluster: Cluster
    db: object
    stub: Stub
    # The process that does the work.
    worker: int

    def declare(self, loading: str) -> None:
        """Declares the vectorizer in the words that both understand. No index is built, so that none counts."""
        self.db.sql(
            f"""SELECT ai.create_vectorizer('document'::regclass, loading => {loading},
                    embedding => ai.embedding_openai('text-embedding-3-small', {DIMENSIONS}, base_url => '{self.stub.url}'),
                    chunking => ai.chunking_recursive_character_text_splitter(800, 400),
                    indexing => ai.indexing_none())"""
        )

    def watched(self):
        return Watch(self.cluster, self.worker)

    def until_embedded(self, rows: int) -> None:
        """Waits until rows with so many ids from 0 on have vectors."""
        look = "SELECT count(DISTINCT id) FROM document_embedding_store WHERE id >= 0"
        with self.db.connect() as session:
            done = lambda: session.execute(look).fetchone()[0] == rows  # noqa: E731
            # Who counts many rows often takes more CPU than the worker.
            interval = max(0.01, rows / 100_000)
            eventually(done, timeout=900, interval=interval, what="all to be embedded")


class Ours:
    name = "pgai_rs"

    def __init__(self, cluster: Cluster):
        self._cluster = cluster

    @contextmanager
    def work(self, database: str, columns: str, loading: str, first: str, *, delay: float = 0):
        """A database with a source of these columns, into which the statement `first` puts the first row. The model takes
        `delay` seconds for each request."""
        db, stub = self._cluster.create_database(database), Stub(delay)
        try:
            db.sql(f"CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document ({columns})")
            work = Work(self._cluster, db, stub, self._worker(db))
            work.declare(loading)
            warm(db, first)
            yield work
        finally:
            stub.close()
            db.drop()

    def _worker(self, db) -> int:
        look = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()"
        return eventually(lambda: db.sql(look), what="a worker")[0][0]


class Theirs:
    """pgai's worker, which looks each second."""

    name = "pgai"

    def __init__(self, cluster: Cluster, pgai: Pgai, s3: S3Server):
        self._cluster, self._pgai, self._s3 = cluster, pgai, s3

    @contextmanager
    def work(self, database: str, columns: str, loading: str, first: str, *, delay: float = 0):
        """As `Ours.work`."""
        db, stub = self._cluster.create_database(database), Stub(delay)
        try:
            db.sql(f"CREATE TABLE document ({columns})")
            self._pgai.install(db)
            with self._pgai.worker(db, self._s3.env) as pid:
                work = Work(self._cluster, db, stub, pid)
                work.declare(loading)
                warm(db, first)
                yield work
        finally:
            stub.close()
            db.drop()


def warm(db, first: str) -> None:
    db.sql(first)
    eventually(lambda: db.sql("SELECT FROM document_embedding_store WHERE id = -1"), what="the first row to be embedded")


@dataclass
class Watch:
    """The CPU of the server's processes and of the worker's, and the worker's anonymous memory, while something runs."""

    cluster: Cluster
    worker: int
    # Megabytes at the most.
    memory: float = 0
    # Seconds, all of them and the worker's alone.
    cpu: float = 0
    workers_cpu: float = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        self._before = self._spent()
        self._sampler = threading.Thread(target=self._sample)
        self._sampler.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._sampler.join()
        for name, now in self._spent().items():
            setattr(self, name, now - self._before[name])

    def _spent(self) -> dict[str, float]:
        processes = {self.cluster.server.pid, *self.cluster.children(), self.worker}
        spent = {pid: sum(cpu_seconds(pid)) for pid in processes}
        return {"cpu": sum(spent.values()), "workers_cpu": spent[self.worker]}

    def _sample(self) -> None:
        while not self._over.wait(0.01):
            self.memory = max(self.memory, anonymous_memory(self.worker))


def anonymous_memory(pid: int) -> float:
    """Megabytes of a process that are in no file."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0
