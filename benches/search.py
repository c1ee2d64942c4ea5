"""The time of a search beside that of the statement that an expert would write by hand.

In one session, warm, one after the other: by a vector, by a vector with a condition on the rows, by words, and by both. The
chunks are made up: words as rare and as common as those of a language (by Zipf's law), and vectors around a thousand points.
An HNSW index serves the vectors, a GIN index the words. By hand, words are ranked by `ts_rank_cd`, which is what Postgres has;
`ai.search` scores them by BM25.
"""

import random
import statistics
import time

from support.cluster import Cluster
from support.stub import Stub
from support.wait import eventually

SIZES = [10_000, 100_000]
DIMENSIONS = 384
QUESTIONS = 40
WORDS = 20_000
WORDS_OF_A_CHUNK = 120
K = 10

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


def search(cluster: Cluster) -> None:
    for size in SIZES:
        db = cluster.create_database(f"bench_search_{size}")
        stub = Stub()
        try:
            chance = random.Random(7)
            fill(db, stub, chance, size)
            measure(db, chance, size)
        finally:
            stub.close()
            db.drop()


def fill(db, stub: Stub, chance: random.Random, size: int) -> None:
    """Makes a store of so many chunks, with an index of the vectors and all words."""
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, kind int, body text)")
    db.sql(
        f"""SELECT ai.create_vectorizer('document'::regclass, 'chunks', loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('stub', {DIMENSIONS}, base_url => '{stub.url}'),
                scheduling => ai.scheduling_none(), indexing => ai.indexing_none(), enqueue_existing => false)"""
    )
    with db.connect() as session:
        session.execute("ALTER TABLE document DISABLE TRIGGER USER")
        with session.cursor().copy("COPY document FROM STDIN") as rows:
            for id in range(size):
                rows.write_row((id, chance.randrange(10), ""))
        with session.cursor().copy("COPY document_embedding_store (id, chunk_seq, chunk, embedding) FROM STDIN") as rows:
            for id in range(size):
                rows.write_row((id, 0, text(chance, WORDS_OF_A_CHUNK), vector(chance)))
        session.execute("ALTER TABLE document ENABLE TRIGGER USER")
    db.sql("SET maintenance_work_mem = '1GB'; CREATE INDEX ON document_embedding_store USING hnsw (embedding vector_cosine_ops)")
    started = time.monotonic()
    db.sql("SELECT ai.alter_vectorizer('chunks', search => ai.search_hybrid('simple'))")
    ready = "SELECT words_ready FROM ai._vectorizer_binding"
    eventually(lambda: db.value(ready), timeout=3600, what="the words")
    print(f"{size:,} chunks were given words in {time.monotonic() - started:.1f} s")
    for table in ("document", "document_embedding_store", "document_embedding_store_words"):
        db.sql(f"VACUUM ANALYZE {table}")


def text(chance: random.Random, words: int) -> str:
    """Words of which each is about as common as the inverse of its number."""
    return " ".join(f"w{int(WORDS ** chance.random())}" for _ in range(words))


def vector(chance: random.Random) -> str:
    centre = random.Random(chance.randrange(1000))
    return "[" + ",".join(f"{centre.gauss(0, 1) + chance.gauss(0, 0.5):.4f}" for _ in range(DIMENSIONS)) + "]"


def measure(db, chance: random.Random, size: int) -> None:
    questions = []
    for _ in range(QUESTIONS):
        words = text(chance, 6)
        questions.append({"vector": vector(chance), "text": words, "any_word": " | ".join(words.split())})
    print(f"{size:,} chunks: median milliseconds of {QUESTIONS} searches, by hand and by ai.search")
    with db.connect() as session:
        session.execute("SET hnsw.iterative_scan = relaxed_order")
        for kind, (by_hand, ours) in KINDS.items():
            times = {by_hand: [], ours: []}
            for question in [*questions[:8], *questions]:
                for statement, taken in times.items():
                    started = time.perf_counter()
                    session.execute(statement, question).fetchall()
                    taken.append(1000 * (time.perf_counter() - started))
            hand, own = (statistics.median(taken[8:]) for taken in times.values())
            print(f"  {kind:<45} {hand:8.2f} {own:8.2f}   {own / hand:.2f} times", flush=True)
