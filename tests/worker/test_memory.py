"""Large rows, and many: the worker takes no more memory than it may."""

from support import vectorizer
from support.memory import LIMIT, MEGABYTE, limited, within_the_limit
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"


def chunks(db) -> list[str]:
    return sorted(chunk for [chunk] in db.sql("SELECT chunk FROM document_embedding_store"))


def test_a_thousand_large_rows_do_not_fill_the_memory(cluster_factory, stub):
    db = limited(cluster_factory)
    db.sql(TABLE)
    # Of which hardly anything is left to embed.
    db.sql(f"INSERT INTO document SELECT i, 'row ' || i || repeat(' ', {MEGABYTE}) FROM generate_series(1, 1000) i")
    vectorizer.create(db, stub.url)
    wanted = sorted(f"row {number}" for number in range(1, 1001))
    with within_the_limit(db) as watched:
        settles(watched(lambda: chunks(db)), wanted, timeout=150)
    vectorizer.idle(db)


def test_documents_at_the_size_limit_do_not_fill_the_memory(cluster_factory, stub):
    db = limited(cluster_factory, max_document_size="16MB")
    db.sql(TABLE)
    sentence = "A sentence of a long document that says something. "
    times = 16 * MEGABYTE // len(sentence)
    db.sql("INSERT INTO document SELECT i, repeat(%s, %s) || i FROM generate_series(1, 8) i", [sentence, times - 1])
    vectorizer.create(db, stub.url, chunking="ai.chunking_recursive_character_text_splitter(4000, 0)")
    done = "SELECT count(DISTINCT id) FROM document_embedding_store"
    with within_the_limit(db) as watched:
        settles(watched(lambda: db.value(done)), 8, timeout=120)
    vectorizer.idle(db)
    assert db.sql("SELECT * FROM ai._vectorizer_q_failed_1") == []


def test_a_million_queued_rows_do_not_fill_the_memory(cluster_factory, stub):
    db = limited(cluster_factory)
    db.sql(TABLE)
    large = f"ai.embedding_openai('text-embedding-3-small', 1536, base_url => '{stub.url}')"
    vectorizer.create(db, stub.url, embedding=large)
    with within_the_limit(db) as watched, stub.held():
        db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 1000000) i")
        eventually(watched(lambda: stub.waiting > 0), what="a request that nobody answers")
    with within_the_limit(db) as watched:
        eventually(watched(lambda: db.sql("SELECT FROM document_embedding_store OFFSET 20000 LIMIT 1")), timeout=150)


def test_a_row_that_takes_most_of_the_memory_travels_alone(cluster_factory, stub):
    db = limited(cluster_factory)
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql(f"INSERT INTO document SELECT i, 'row ' || i || repeat(' ', {50 * MEGABYTE}) FROM generate_series(1, 3) i")
    vectorizer.in_step(db, ["id"])


def test_a_row_whose_vectors_take_more_than_the_memory_is_set_aside(cluster_factory, stub):
    db = limited(cluster_factory)
    db.sql(TABLE)
    large = f"ai.embedding_openai('text-embedding-3-small', 1536, base_url => '{stub.url}')"
    vectorizer.create(db, stub.url, embedding=large)
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 10) i")
    db.sql("UPDATE document SET body = (SELECT string_agg(i::text, '|') FROM generate_series(1, 100000) i) WHERE id = 7")
    failed = "SELECT id, failure_step, failure_code, failure_hint FROM ai._vectorizer_q_failed_1"
    hint = "Split the document, make the chunks larger or their overlap smaller, or increase pgai_rs.worker_memory_limit."
    settles(lambda: db.sql(failed), [(7, "chunking", "too_large", hint)])
    settles(lambda: stub.embedded["row 8"], 1)


def test_a_row_larger_than_a_document_may_be_is_set_aside_unread(cluster_factory, stub):
    db = cluster_factory(conf={"pgai_rs.max_document_size": "1MB"}).create_database("large")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body bytea)")
    vectorizer.create(db, stub.url)
    db.sql(f"INSERT INTO document VALUES (1, 'a'), (2, convert_to(repeat('x', {MEGABYTE + 1}), 'UTF8')), (3, 'c')")
    failed = "SELECT id, failure_step, failure_code, failure_hint FROM ai._vectorizer_q_failed_1"
    hint = "Split the document, or increase pgai_rs.max_document_size."
    eventually(lambda: db.sql(failed) == [(2, "loading", "too_large", hint)], what="row 2 to be set aside")
    settles(lambda: [row[2] for row in vectorizer.stored(db, ["id"])], ["a", "c"])
