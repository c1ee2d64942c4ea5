"""How good the answers of ai.search are, by words, by vectors and by both, on collections whose right answers are known.

Through the worker, in chunks of at most 800 characters, with vectors of all-MiniLM-L6-v2. A document counts by its best chunk.
Then by vectors alone, with less and less precision in the store and in the index: what is lost, and what is gained.
"""

import time

from pgai_dev import places
from support.cluster import Cluster
from support.embedder import DIMENSIONS, MODEL, EmbeddingServer
from support.wait import eventually

from collections_of_questions import Collection, manual_pages, perlfaq

# Ways to fuse what vectors and words find, with the weight of the words; the first is the default.
FUSIONS = [("scores", 0.5), ("scores", 1), ("ranks", 0.5), ("ranks", 1)]

# Searches that are timed.
TIMES = 100


def quality(cluster: Cluster) -> None:
    embedder = EmbeddingServer(places.EMBEDDING_SERVER, places.MODEL, cluster.directory.parent)
    try:
        for number, collection in enumerate((perlfaq(), manual_pages())):
            db = cluster.create_database(f"bench_quality_{number}")
            try:
                fill(db, embedder.url, collection)
                tell(db, collection)
                tell_fusions(db)
                precisions(db)
            finally:
                db.drop()
    finally:
        embedder.stop()


def fill(db, url: str, collection: Collection) -> None:
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("CREATE TABLE judged (query text, key jsonb)")
    with db.connect() as session:
        with session.cursor().copy("COPY document FROM STDIN") as rows:
            for id, body in enumerate(collection.documents):
                rows.write_row((id, body))
        with session.cursor().copy("COPY judged FROM STDIN") as rows:
            for question, id in collection.questions:
                rows.write_row((question, f'{{"id": {id}}}'))
    db.sql(
        f"""SELECT ai.create_vectorizer('document'::regclass, 'documents', loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('{MODEL}', {DIMENSIONS}, base_url => '{url}'),
                chunking => ai.chunking_recursive_character_text_splitter(800, 100),
                search => ai.search_hybrid('english'))"""
    )
    pending = "SELECT ai.vectorizer_queue_pending(id, true) + (SELECT count(*) FROM ai._vectorizer_work_1) FROM ai.vectorizer"
    eventually(lambda: db.value(pending) == 0, timeout=7200, what="the documents to be embedded")
    db.sql("ANALYZE")


def tell(db, collection: Collection) -> None:
    chunks = db.value("SELECT count(*) FROM document_embedding_store")
    print(
        f"{collection.title}: {len(collection.questions):,} questions, {len(collection.documents):,} documents in {chunks:,} chunks"
    )
    for mode, _, recall, ndcg, mrr, _ in db.sql("SELECT * FROM ai.evaluate_search('documents', 'judged')"):
        print(f"  {mode:<8} nDCG@10 {ndcg:.3f}   recall@10 {recall:.3f}   MRR {mrr:.3f}", flush=True)


def tell_fusions(db) -> None:
    db.sql("CREATE TABLE asked AS SELECT query, key, ai.vectorizer_embed('documents', query) AS vector FROM judged")
    for fusion, weight in FUSIONS:
        # There is one right document for each question.
        ndcg = db.value(
            f"""SELECT avg(coalesce(ln(2) / ln(s.rank + 1), 0))
                FROM asked a LEFT JOIN LATERAL (
                    SELECT f.rank
                    FROM ai.search('documents', a.vector, per_document => 1, words => a.query,
                                   fusion => '{fusion}', text_weight => {weight}) f
                    WHERE f.key = a.key) s ON true"""
        )
        print(f"  hybrid by {fusion}, text_weight {weight}: nDCG@10 {ndcg:.3f}", flush=True)


# For each type of the store, the indexes that are made on it, by their names.
INDEXES = {
    "vector": {
        "vector": "embedding vector_cosine_ops",
        "halfvec": f"(embedding::halfvec({DIMENSIONS})) halfvec_cosine_ops",
        "binary": f"(binary_quantize(embedding)::bit({DIMENSIONS})) bit_hamming_ops",
    },
    "halfvec": {
        "halfvec": "embedding halfvec_cosine_ops",
        "binary": f"(binary_quantize(embedding)::bit({DIMENSIONS})) bit_hamming_ops",
    },
}


def precisions(db) -> None:
    db.sql("SELECT ai.alter_vectorizer('documents', search => ai.search_none()); DROP VIEW document_embedding")
    for store, indexes in INDEXES.items():
        db.sql(f"ALTER TABLE document_embedding_store ALTER COLUMN embedding TYPE {store}({DIMENSIONS})")
        db.sql("ANALYZE document_embedding_store")
        precision(db, store, "none")
        for name, index in indexes.items():
            db.sql(f"CREATE INDEX precise ON document_embedding_store USING hnsw ({index})")
            precision(db, store, name)
            db.sql("DROP INDEX precise")


def precision(db, store: str, index: str) -> None:
    with db.connect() as session:
        # A collection is so small that Postgres would rather read all of it.
        session.execute("SET enable_seqscan = off")
        evaluate = "SELECT ndcg, recall, index_recall FROM ai.evaluate_search('documents', 'judged')"
        ndcg, recall, of_index = session.execute(evaluate).fetchone()
        sizes = "SELECT pg_table_size('document_embedding_store'), coalesce(pg_relation_size(to_regclass('precise')), 0)"
        table, size = session.execute(sizes).fetchone()
        took = milliseconds(session)
    print(
        f"  store {store:<8} {table / 1e6:6.1f} MB   index {index:<8} {size / 1e6:5.1f} MB   nDCG@10 {ndcg:.3f}   "
        f"recall@10 {recall:.3f}   index_recall {of_index:.3f}   {took:.2f} ms a search",
        flush=True,
    )


def milliseconds(session) -> float:
    """Returns the mean time of a search by a vector that is there."""
    question = session.execute("SELECT embedding::text FROM document_embedding_store ORDER BY embedding_uuid LIMIT 1").fetchone()
    search = "SELECT count(*) FROM ai.search('documents', %s::vector, 10)"
    session.execute(search, question)
    started = time.perf_counter()
    for _ in range(TIMES):
        session.execute(search, question)
    return (time.perf_counter() - started) * 1000 / TIMES
