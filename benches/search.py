"""The time and the CPU of a search beside those of the statement that an expert would write by hand.

    make bench ARGS=search              10,000 and 100,000 chunks
    make bench ARGS='search 1000000'    so many

In one session, warm, one after the other: by a vector, by a vector with a condition on the rows, by words, and by both. The
chunks are made up; see made_up_chunks.py. An HNSW index serves the vectors, a GIN index the words. By hand, words are ranked by
`ts_rank_cd`, which is what Postgres has; `ai.search` scores them by BM25.

A shared machine stretches times, but hardly the CPU that a session takes.
"""

import statistics
import time

from support.cluster import Cluster
from support.stub import Stub
from support.wait import eventually

from made_up_chunks import DIMENSIONS, Chunks
from process_cpu import cpu_of

SIZES = [10_000, 100_000]
QUESTIONS = 40
WARMING = 8
WORDS_OF_A_CHUNK = 120
KINDS_OF_ROWS = 10

BY_VECTOR = """
    SELECT c.embedding_uuid, c.chunk, c.embedding <=> %(vector)s::vector AS distance
    FROM document_embedding_store c ORDER BY distance LIMIT 10"""
BY_VECTOR_WITH_A_CONDITION = """
    SELECT c.embedding_uuid, c.chunk, c.embedding <=> %(vector)s::vector AS distance
    FROM document_embedding_store c
    WHERE EXISTS (SELECT FROM document d WHERE d.id = c.id AND d.kind = 3) ORDER BY distance LIMIT 10"""
BY_WORDS = """
    SELECT c.embedding_uuid, c.chunk, r.rank
    FROM (SELECT w.embedding_uuid, ts_rank_cd(w.words, q) AS rank
          FROM document_embedding_store_words w, to_tsquery('simple', %(any_word)s) q WHERE w.words @@ q ORDER BY rank DESC LIMIT 10) r
    JOIN document_embedding_store c USING (embedding_uuid) ORDER BY r.rank DESC"""
BY_BOTH = """
    WITH nearest AS (
        SELECT embedding_uuid, row_number() OVER (ORDER BY distance) AS place
        FROM (SELECT embedding_uuid, embedding <=> %(vector)s::vector AS distance
              FROM document_embedding_store ORDER BY distance LIMIT 60) n),
    ranked AS (
        SELECT embedding_uuid, row_number() OVER (ORDER BY rank DESC) AS place
        FROM (SELECT w.embedding_uuid, ts_rank_cd(w.words, q) AS rank
              FROM document_embedding_store_words w, to_tsquery('simple', %(any_word)s) q
              WHERE w.words @@ q ORDER BY rank DESC LIMIT 60) r)
    SELECT c.embedding_uuid, c.chunk, f.score
    FROM (SELECT embedding_uuid, sum(1.0 / (60 + place)) AS score
          FROM (SELECT * FROM nearest UNION ALL SELECT * FROM ranked) b
          GROUP BY embedding_uuid ORDER BY score DESC LIMIT 10) f
    JOIN document_embedding_store c USING (embedding_uuid) ORDER BY f.score DESC"""
# Of each kind: the statement by hand, and the search.
KINDS = {
    "by a vector": (BY_VECTOR, "SELECT * FROM ai.search('chunks', %(vector)s::vector)"),
    "with a condition that one row in ten meets": (
        BY_VECTOR_WITH_A_CONDITION,
        "SELECT * FROM ai.search('chunks', %(vector)s::vector, filter => 'kind = 3')",
    ),
    "by words": (BY_WORDS, "SELECT * FROM ai.search('chunks', %(text)s, mode => 'text')"),
    "by both": (BY_BOTH, "SELECT * FROM ai.search('chunks', %(vector)s::vector, words => %(text)s)"),
}


def search(cluster: Cluster, sizes: list[int]) -> None:
    for size in sizes or SIZES:
        db = cluster.create_database(f"bench_search_{size}")
        stub = Stub()
        try:
            chunks = Chunks(seed=7)
            fill(db, stub, chunks, size)
            measure(db, chunks, size)
        finally:
            stub.close()
            db.drop()


def fill(db, stub: Stub, chunks: Chunks, size: int) -> None:
    """Makes a store of so many chunks, with an index of the vectors and all words."""
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, kind int, body text)")
    db.sql(
        f"""SELECT ai.create_vectorizer('document'::regclass, 'chunks', loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('stub', {DIMENSIONS}, base_url => '{stub.url}'),
                scheduling => ai.scheduling_none(), indexing => ai.indexing_none(), enqueue_existing => false)"""
    )
    started = time.monotonic()
    with db.connect() as session:
        session.execute("ALTER TABLE document DISABLE TRIGGER USER")
        session.execute(f"INSERT INTO document SELECT i, i % {KINDS_OF_ROWS}, '' FROM generate_series(0, {size - 1}) i")
        columns = "(id, chunk_seq, chunk, embedding)"
        with session.cursor().copy(f"COPY document_embedding_store {columns} FROM STDIN (FORMAT BINARY)") as rows:
            for row in chunks.rows(size, WORDS_OF_A_CHUNK):
                rows.write(row)
        session.execute("ALTER TABLE document ENABLE TRIGGER USER")
    print(f"{size:,} chunks were made in {time.monotonic() - started:.1f} s", flush=True)

    started = time.monotonic()
    db.sql(
        """SET maintenance_work_mem = '2GB'; SET max_parallel_maintenance_workers = 7;
           CREATE INDEX ON document_embedding_store USING hnsw (embedding vector_cosine_ops)"""
    )
    print(f"  indexed in {time.monotonic() - started:.1f} s", flush=True)
    started = time.monotonic()
    db.sql("SELECT ai.alter_vectorizer('chunks', search => ai.search_hybrid('simple'))")
    ready = "SELECT words_ready FROM ai._vectorizer_binding"
    eventually(lambda: db.value(ready), timeout=2 * 3600, what="the words")
    print(f"  given words in {time.monotonic() - started:.1f} s", flush=True)
    for table in ("document", "document_embedding_store", "document_embedding_store_words"):
        db.sql(f"VACUUM ANALYZE {table}")


def measure(db, chunks: Chunks, size: int) -> None:
    questions = []
    for _ in range(QUESTIONS):
        words = chunks.text(6)
        vector = "[" + ",".join(f"{number:.4f}" for number in chunks.vector()) + "]"
        questions.append({"vector": vector, "text": words, "any_word": " | ".join(words.split())})
    print(f"{size:,} chunks, {QUESTIONS} searches by hand and by ai.search: median milliseconds, and mean milliseconds of CPU")
    with db.connect() as session:
        session.execute("SET hnsw.iterative_scan = relaxed_order")
        [pid] = session.execute("SELECT pg_backend_pid()").fetchone()
        for kind, statements in KINDS.items():
            taken = {statement: [] for statement in statements}
            for number, question in enumerate([*questions[:WARMING], *questions]):
                # Whichever is second finds in memory what the first has read.
                for statement in statements if number % 2 else reversed(statements):
                    taken[statement].append(timed(session, pid, statement, question))
            tell(kind, *(times[WARMING:] for times in taken.values()))


def timed(session, pid: int, statement: str, question: dict) -> tuple[float, float]:
    """Runs a statement; returns its milliseconds, and those of CPU that its session has taken."""
    cpu, started = cpu_of(pid), time.perf_counter()
    session.execute(statement, question).fetchall()
    return 1000 * (time.perf_counter() - started), cpu_of(pid) - cpu


def tell(kind: str, by_hand: list[tuple[float, float]], ours: list[tuple[float, float]]) -> None:
    def summed_up(taken: list[tuple[float, float]]) -> tuple[float, float]:
        times, cpu = zip(*taken)
        return statistics.median(times), statistics.mean(cpu)

    hand, own = summed_up(by_hand), summed_up(ours)
    times, cpu = (f"{one:9.2f} {other:9.2f} {other / one:6.2f} times" for one, other in zip(hand, own))
    print(f"  {kind:<45}{times}   CPU{cpu}", flush=True)
