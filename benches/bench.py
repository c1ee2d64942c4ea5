"""The worker's speed when the model answers after 50 ms.

    make bench                  all cases
    make bench ARGS=table       the README's table, with the worker of timescale/pgai, which is fetched first (7 GB); table.py
    make bench ARGS=rows        one of: rows, documents, pages, waiting, trickle, neighbour, alteration, chunking, search,
                                quality, throttled, outage, poison
    make bench ARGS='pgai rows' the same with pgai's worker beside it
    make bench ARGS=parse       how well the parser reads real documents; see parse.py

Rows: 2,000 rows of one chunk each. Documents: 500 Markdown documents of 8 KB in S3, in chunks of at
most 2,000 characters. Pages: 2,000 PDFs of one page in S3, see pages.py; not among all cases, for what it fetches (300
MB). All with vectors of 768 numbers, on a fresh cluster with default settings.
Waiting: one row at a time, beside a million rows that wait for their next try. Trickle: see trickle.py.
Neighbour: what the worker takes from other sessions, see neighbour.py.
Alteration: what a change of the model costs whoever searches meanwhile, see alteration.py.
Chunking: beside LangChain's, see chunking.py; not among all cases, for the packages of pgai that it fetches.
Search and quality: see search.py, which takes numbers of chunks, and search_quality.py; not among all cases either, for their
length.
Throttled, outage and poison: see faults.py.

Timings of shared machines are noisy: compare CPU seconds, and times of one run only.
"""

import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "tools"), str(ROOT / "tests")]

from pgai_dev import postgres
from pgai_dev.console import Failure
from support import workdir
from support.cluster import Cluster
from support.s3 import S3Server
from support.stub import Stub
from support.wait import eventually

import pages
import parse
from alteration import alteration
from chunking import chunking
from faults import FAULTS
from neighbour import neighbour
from peer_pgai import Pgai
from process_cpu import cpu_seconds
from search import search
from search_quality import quality
from table import table
from trickle import trickle
from waiting import waiting

OTHERS = {
    "waiting": waiting,
    "trickle": trickle,
    "neighbour": neighbour,
    "alteration": alteration,
    "chunking": chunking,
    "quality": quality,
} | FAULTS
MODEL_DELAY = 0.05
DIMENSIONS = 768
ROWS = 2_000
DOCUMENTS = 500
PAGES = 2_000
DOCUMENT_SIZE = 8_192


@dataclass
class Watch:
    """The happenings in a cluster while something runs: CPU, and the age that transactions reach."""

    cluster: Cluster
    database: str
    # Whether the worker's oldest transaction is looked for.
    samples: bool = True
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
        self.parser_cpu = after["parsers"] - self.before["parsers"]
        self.backend_cpu = after["others"] - self.before["others"]

    def _look(self) -> None:
        """Samples the worker's oldest transaction as often as it can."""
        if not self.samples:
            return
        with self.cluster.connect(self.database) as connection:
            while not self._over.is_set():
                [age] = connection.execute(
                    """SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
                       FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker'"""
                ).fetchone()
                self.oldest = max(self.oldest, age)
                time.sleep(0.001)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far of this database's worker, of the parsers that it has run, and of all other processes of the
        cluster."""
        [[worker]] = self.cluster.sql(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = %s", [self.database]
        )
        spent = {pid: cpu_seconds(pid) for pid in [self.cluster.server.pid, *self.cluster.children()]}
        own, parsers = spent.pop(worker, (0, 0))
        return {"worker": own, "parsers": parsers, "others": sum(sum(both) for both in spent.values())}


@dataclass
class Case:
    """The rows that are embedded: a source with so many of them, and the way in which they come."""

    title: str
    columns: str
    loading: str
    rows: int
    insert: str
    # How the names of objects in S3 end, if there are any.
    ending: str = ""


CASES = {
    "rows": Case(
        "2,000 one-chunk rows",
        "id int PRIMARY KEY, body text",
        "ai.loading_column('body')",
        ROWS,
        "INSERT INTO document SELECT i, 'This is the text of row number ' || i FROM generate_series(1, %s) i",
    ),
    "documents": Case(
        "500 Markdown documents of 8 KB in S3",
        "id int PRIMARY KEY, uri text",
        "ai.loading_uri('uri')",
        DOCUMENTS,
        "INSERT INTO document SELECT i, 's3://bench/' || i || '.md' FROM generate_series(0, %s - 1) i",
        ".md",
    ),
    "pages": Case(
        "2,000 PDFs of one page in S3",
        "id int PRIMARY KEY, uri text",
        "ai.loading_uri('uri')",
        PAGES,
        "INSERT INTO document SELECT i, 's3://bench/' || i || '.pdf' FROM generate_series(0, %s - 1) i",
        ".pdf",
    ),
}
# Cases that are measured only if they are named.
ON_DEMAND = {"pages", "chunking", "search", "quality", "table"}


def ours(case: Case, cluster: Cluster, s3: S3Server) -> None:
    with prepared(cluster, "bench", case.columns) as (db, stub):
        db.sql("CREATE EXTENSION pgai_rs CASCADE")
        create(db, stub, case.loading)
        workers = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()"
        eventually(lambda: db.sql(workers), what="a worker")
        measure(case, cluster, db, stub)
    if case.ending:
        print(f"  of which the S3 server alone, asked by 32 threads: {fetch_all(s3, case):.2f} s")


def fill(s3: S3Server, cases: list[Case]) -> None:
    """Puts the documents into a bucket."""
    bucket = s3.bucket("bench")
    if CASES["documents"] in cases:
        for number in range(DOCUMENTS):
            bucket.put(f"{number}.md", document(number))
    if CASES["pages"] in cases:
        documents = pages.single_pages()
        for number in range(PAGES):
            bucket.put(f"{number}.pdf", documents[number % len(documents)])


def document(number: int) -> str:
    sentences = (f"Sentence {place} of document {number} says what no other one says." for place in range(200))
    text = f"# Document {number}\n\n" + "\n\n".join(" ".join(paragraph) for paragraph in zip(*[sentences] * 5))
    return text[:DOCUMENT_SIZE]


def fetch_all(s3: S3Server, case: Case) -> float:
    """Returns the time that the S3 server takes for the same objects when it is asked for nothing else."""
    from concurrent.futures import ThreadPoolExecutor

    started = time.monotonic()
    with ThreadPoolExecutor(32) as threads:
        keys = [f"{number}{case.ending}" for number in range(case.rows)]
        list(threads.map(lambda key: s3.client.get_object(Bucket="bench", Key=key)["Body"].read(), keys))
    return time.monotonic() - started


class prepared:
    """A database with an empty source, and a model that takes its time."""

    def __init__(self, cluster: Cluster, name: str, columns: str):
        self.cluster, self.name, self.columns = cluster, name, columns

    def __enter__(self):
        self.db = self.cluster.create_database(self.name)
        self.db.sql(f"CREATE TABLE document ({self.columns})")
        self.stub = Stub(delay=MODEL_DELAY)
        return self.db, self.stub

    def __exit__(self, *_):
        self.stub.close()
        self.db.drop()


def create(db, stub: Stub, loading: str, **more: str) -> None:
    """Declares the vectorizer, in the words that pgai and we understand alike."""
    arguments = "".join(f", {name} => {value}" for name, value in more.items())
    db.sql(
        f"""SELECT ai.create_vectorizer('document'::regclass, loading => {loading},
                embedding => ai.embedding_openai('text-embedding-3-small', {DIMENSIONS}, base_url => '{stub.url}'),
                chunking => ai.chunking_recursive_character_text_splitter(2000, 0){arguments})"""
    )


DONE = "SELECT count(DISTINCT id), count(*) FROM document_embedding_store"


def measure(case: Case, cluster: Cluster, db, stub: Stub) -> None:
    with Watch(cluster, db.name) as watch, db.connect() as connection:
        db.sql(case.insert, [case.rows])
        committed = time.monotonic()
        eventually(lambda: connection.execute(DONE).fetchone()[0] == case.rows, timeout=600, what="all to be embedded")
        searchable = time.monotonic() - committed
    chunks = db.sql(DONE)[0][1]
    print(f"{case.title} ({chunks:,} chunks)")
    print(f"  from commit to the last vector searchable: {searchable:.2f} s")
    print(f"  requests to the model: {len(stub.requests)} (inputs: {inputs_of(stub)})")
    parsers = f"its parsers {watch.parser_cpu:.2f} s, " if watch.parser_cpu else ""
    print(f"  CPU: worker {watch.worker_cpu:.2f} s, {parsers}all other Postgres processes {watch.backend_cpu:.2f} s")
    one = 1000 * (watch.worker_cpu + watch.parser_cpu + watch.backend_cpu) / case.rows
    print(f"  CPU of one row: {one:.1f} ms, so that a million take {one * 1_000_000 / 3_600_000:.1f} hours of a CPU")
    print(f"  oldest transaction of the worker: {1000 * watch.oldest:.0f} ms")


def inputs_of(stub: Stub) -> str:
    """The number of inputs of each request; of many requests, the mean."""
    counts = [len(request.inputs) for request in stub.requests]
    return ", ".join(map(str, counts)) if len(counts) <= 50 else f"{sum(counts) / len(counts):.1f} each"


def theirs(pgai: Pgai, case: Case, cluster: Cluster, s3: S3Server) -> None:
    """pgai as it comes, and with as many rows to a request as OpenAI takes."""
    for batch, processing in [("its own batch size", {}), ("2,048", {"processing": "ai.processing_default(2048)"})]:
        with prepared(cluster, "bench_pgai", case.columns) as (db, stub):
            pgai.install(db)
            idle = pgai.work(db, s3.env)
            create(db, stub, case.loading, **processing)
            db.sql(case.insert, [case.rows])
            run = pgai.work(db, s3.env)
            done, chunks = db.sql(DONE)[0]
        print(f"{case.title} ({chunks:,} chunks), pgai {pgai.version}, batches of {batch}")
        print(f"  from the start of its worker to its end: {run.seconds:.2f} s, of which {idle.seconds:.2f} s to start")
        print(f"  requests to the model: {len(stub.requests)}; embedded {done:,} of {case.rows:,}")
        print(f"  CPU: worker {run.cpu:.2f} s, of which {idle.cpu:.2f} s to start")


def main() -> None:
    chosen = [argument for argument in sys.argv[1:] if not argument.isdigit()]
    sizes = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    if chosen[:1] == ["parse"]:
        sys.exit(parse.main(chosen[1:]))
    names = [*CASES, *OTHERS, "search", "table"]
    if not set(chosen) <= {"pgai", *names}:
        sys.exit(f"usage: bench.py [pgai] [{'|'.join(names)}] [CHUNKS …], or bench.py parse")
    chosen_names = [name for name in names if name in chosen] or [name for name in names if name not in ON_DEMAND]
    cases = [CASES[name] for name in chosen_names if name in CASES]
    pgai = Pgai() if "pgai" in chosen else None
    with workdir.made("bench") as directory:
        s3 = S3Server(directory)
        cluster = Cluster(postgres.wanted().ask("bindir"), directory / "bench", env=s3.env | {"OPENAI_API_KEY": "sk-bench"})
        cluster.conf["shared_buffers"] = "128MB"
        try:
            fill(s3, [*cases, CASES["documents"]] if "table" in chosen else cases)
            cluster.create().start()
            for case in cases:
                ours(case, cluster, s3)
                if pgai:
                    theirs(pgai, case, cluster, s3)
            for name in chosen_names:
                if name == "search":
                    search(cluster, sizes)
                elif name == "table":
                    table(cluster, s3, *sizes[:1])
                elif name in OTHERS:
                    OTHERS[name](cluster)
        finally:
            cluster.remove()
            s3.stop()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
