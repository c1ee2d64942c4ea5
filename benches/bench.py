"""How fast the worker is when the model answers after 50 ms.

    make bench              both cases
    make bench ARGS=rows    one of: rows, documents

Rows: 2,000 rows of one chunk each. Documents: 500 Markdown documents of 8 KB in S3, in chunks of at
most 2,000 characters. Both with vectors of 768 numbers, on a fresh cluster with default settings.

Timings of shared machines are noisy: compare CPU seconds, and times of one run only.
"""

import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "tools"), str(ROOT / "tests")]

from pgai_dev import places, postgres
from support.cluster import Cluster
from support.s3 import S3Server
from support.stub import Stub
from support.wait import eventually

MODEL_DELAY = 0.05
DIMENSIONS = 768
ROWS = 2_000
DOCUMENTS = 500
DOCUMENT_SIZE = 8_192


@dataclass
class Watch:
    """What happens in a cluster while something runs: CPU, and how old transactions get."""

    cluster: Cluster
    database: str
    oldest: float = 0
    _cpu: dict = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        self.before = self.cpu()
        self.started = time.monotonic()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.started
        self._over.set()
        self._thread.join()
        after = self.cpu()
        self.worker_cpu = after["worker"] - self.before["worker"]
        self.backend_cpu = after["others"] - self.before["others"]

    def _look(self) -> None:
        """Samples the worker's oldest transaction as often as it can."""
        with self.cluster.connect(self.database) as connection:
            while not self._over.is_set():
                [age] = connection.execute(
                    """SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
                       FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker'"""
                ).fetchone()
                self.oldest = max(self.oldest, age)
                time.sleep(0.001)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far of this database's worker and of all other processes of the cluster."""
        [[worker]] = self.cluster.sql(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = %s", [self.database]
        )
        spent = {pid: cpu_seconds(pid) for pid in [self.cluster.server.pid, *self.cluster.children()]}
        return {"worker": spent.get(worker, 0), "others": sum(spent.values()) - spent.get(worker, 0)}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of the children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def rows(cluster: Cluster, s3: S3Server) -> None:
    with prepared(cluster, "rows", "id int PRIMARY KEY, body text") as (db, stub, create):
        create("ai.loading_column('body')")
        run = "INSERT INTO document SELECT i, 'This is the text of row number ' || i FROM generate_series(1, %s) i"
        measure("2,000 one-chunk rows", cluster, db, stub, ROWS, lambda: db.sql(run, [ROWS]))


def documents(cluster: Cluster, s3: S3Server) -> None:
    bucket = s3.bucket("bench")
    for number in range(DOCUMENTS):
        bucket.put(f"{number}.md", document(number))
    with prepared(cluster, "documents", "id int PRIMARY KEY, uri text") as (db, stub, create):
        create("ai.loading_uri('uri')")
        run = "INSERT INTO document SELECT i, 's3://bench/' || i || '.md' FROM generate_series(0, %s - 1) i"
        measure("500 Markdown documents of 8 KB in S3", cluster, db, stub, DOCUMENTS, lambda: db.sql(run, [DOCUMENTS]))
    print(f"  of which the S3 server alone, asked by 32 threads: {fetch_all(s3):.2f} s")


def document(number: int) -> str:
    sentences = (f"Sentence {place} of document {number} says what no other one says." for place in range(200))
    text = f"# Document {number}\n\n" + "\n\n".join(" ".join(paragraph) for paragraph in zip(*[sentences] * 5))
    return text[:DOCUMENT_SIZE]


def fetch_all(s3: S3Server) -> float:
    """How long the S3 server takes for the same objects when it is asked for nothing else."""
    from concurrent.futures import ThreadPoolExecutor

    started = time.monotonic()
    with ThreadPoolExecutor(32) as threads:
        list(threads.map(lambda n: s3.client.get_object(Bucket="bench", Key=f"{n}.md")["Body"].read(), range(DOCUMENTS)))
    return time.monotonic() - started


class prepared:
    """A database with an empty source, a model that takes its time, and a way to declare the vectorizer."""

    def __init__(self, cluster: Cluster, name: str, columns: str):
        self.cluster, self.name, self.columns = cluster, name, columns

    def __enter__(self):
        self.db = self.cluster.create_database(self.name)
        self.db.sql("CREATE EXTENSION pgai_rs CASCADE")
        self.db.sql(f"CREATE TABLE document ({self.columns})")
        self.stub = Stub(delay=MODEL_DELAY)
        return self.db, self.stub, self.create

    def create(self, loading: str) -> None:
        self.db.sql(
            f"""SELECT ai.create_vectorizer('document'::regclass, loading => {loading},
                    embedding => ai.embedding_openai('stub', {DIMENSIONS}, base_url => '{self.stub.url}'),
                    chunking => ai.chunking_recursive_character_text_splitter(2000, 0))"""
        )
        workers = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()"
        eventually(lambda: self.db.sql(workers), what="a worker")

    def __exit__(self, *_):
        self.stub.close()
        self.db.drop()


def measure(what: str, cluster: Cluster, db, stub: Stub, documents: int, run) -> None:
    done = "SELECT count(DISTINCT id), count(*) FROM document_embedding_store"
    with Watch(cluster, db.name) as watch, db.connect() as connection:
        run()
        committed = time.monotonic()
        eventually(lambda: connection.execute(done).fetchone()[0] == documents, timeout=120, what="all to be embedded")
        searchable = time.monotonic() - committed
    chunks = db.sql(done)[0][1]
    print(f"{what} ({chunks:,} chunks)")
    print(f"  from commit to the last vector searchable: {searchable:.2f} s")
    print(f"  requests to the model: {len(stub.requests)} (inputs: {', '.join(str(len(r.inputs)) for r in stub.requests)})")
    print(f"  CPU: worker {watch.worker_cpu:.2f} s, all other Postgres processes {watch.backend_cpu:.2f} s")
    print(f"  oldest transaction of the worker: {1000 * watch.oldest:.0f} ms")


CASES = {"rows": rows, "documents": documents}


def main() -> None:
    chosen = sys.argv[1:] or list(CASES)
    if not set(chosen) <= set(CASES):
        sys.exit(f"usage: bench.py [{'|'.join(CASES)}]")
    places.CLUSTERS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.CLUSTERS, prefix=f"{os.getpid()}-bench-") as directory:
        Path(directory).chmod(0o711)
        s3 = S3Server(Path(directory))
        cluster = Cluster(postgres.wanted().ask("bindir"), Path(directory) / "bench", env=s3.env)
        cluster.conf["shared_buffers"] = "128MB"
        try:
            cluster.create().start()
            for case in chosen:
                CASES[case](cluster, s3)
        finally:
            cluster.remove()
            s3.stop()


if __name__ == "__main__":
    main()
