"""How good the answers of ai.search are, by words, by vectors and by both, on collections whose right answers are known.

Through the worker, in chunks of at most 800 characters, with vectors of all-MiniLM-L6-v2. A document counts by its best chunk.
"""

from pgai_dev import places
from support.cluster import Cluster
from support.embedder import DIMENSIONS, MODEL, EmbeddingServer
from support.wait import eventually

from collections_of_questions import Collection, manual_pages, perlfaq

# Ways to fuse what vectors and words find, with the weight of the words; the first is the default.
FUSIONS = [("scores", 0.5), ("scores", 1), ("ranks", 0.5), ("ranks", 1)]


def quality(cluster: Cluster) -> None:
    embedder = EmbeddingServer(places.EMBEDDING_SERVER, places.MODEL, cluster.directory.parent)
    try:
        for number, collection in enumerate((perlfaq(), manual_pages())):
            db = cluster.create_database(f"bench_quality_{number}")
            try:
                fill(db, embedder.url, collection)
                tell(db, collection)
                tell_fusions(db)
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
