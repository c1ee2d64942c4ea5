"""Documents in S3, the real model, and what becomes of documents that can't be had."""

import math

import pytest
from support import vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, uri text, updated_at timestamptz)"
FROM_S3 = "ai.loading_uri(column_name => 'uri')"

# The statement on the first page of the user's guide, to the letter.
FIRST_PAGE = """
SELECT ai.create_vectorizer(
    'document'::regclass,
    loading     => ai.loading_uri(column_name => 'uri'),
    embedding   => ai.embedding_openai('text-embedding-3-small', 768),
    destination => ai.destination_table('document_embeddings'));
"""

TOPICS = {
    "bread.md": "# Sourdough\n\nMix flour, water and salt, feed the starter and let the dough rise overnight.",
    "volcano.txt": "Magma rises through the crust and erupts as lava; ash clouds can ground aeroplanes.",
    "chess.md": "The knight moves in an L shape, and the king is in check when a piece attacks it.",
    "Größe & +100%.txt": "Tall people need larger shirts; sleeves are measured from the shoulder.",
}


def failure(db) -> dict:
    """The details of the one error there is, once there is one."""
    rows = eventually(lambda: db.sql("SELECT details FROM ai.vectorizer_errors"), what="an error row")
    [[details]] = rows
    return details


def test_the_statement_of_the_first_page(cluster_factory, bucket, stub):
    cluster = cluster_factory(conf={"pgai_rs.openai_base_url": stub.url})
    db = cluster.create_database("first_page")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("bread.md", TOPICS["bread.md"])])
    assert db.sql(FIRST_PAGE) == [(1,)]
    row = eventually(lambda: db.sql("SELECT chunk, vector_dims(embedding), uri FROM document_embeddings"))
    assert row == [(TOPICS["bread.md"], 768, bucket.uri("bread.md"))]
    assert stub.requests[0].headers["authorization"] == "Bearer sk-test"
    assert (stub.requests[0].model, stub.requests[0].dimensions) == ("text-embedding-3-small", 768)


def test_an_object_that_did_not_change_is_not_embedded_again(db, bucket, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url, loading=FROM_S3)
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("a.txt", "a|b")])
    look = "SELECT chunk, embedding_uuid FROM document_embedding_store ORDER BY chunk_seq"
    before = eventually(lambda: db.sql(look), what="the document to be embedded")
    origin = "SELECT etag, fingerprint, xmin::text FROM ai._vectorizer_origin_1"
    remembered = eventually(lambda: db.sql(origin), what="its version to be remembered")
    stub.forget()
    db.sql("UPDATE document SET updated_at = now()")
    vectorizer.idle(db)
    assert (db.sql(look), stub.requests, db.sql(origin)) == (before, [], remembered)
    bucket.put("a.txt", "a|c")
    db.sql("UPDATE document SET updated_at = now()")
    eventually(lambda: [chunk for chunk, _ in db.sql(look)] == ["a", "c"], what="the new object's chunks")
    vectorizer.idle(db)
    assert stub.embedded == {"c": 1}


def test_without_a_parser_an_object_is_text_whatever_its_name_says(db, bucket, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url, loading=FROM_S3, parsing="ai.parsing_none()")
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("page.html", "<html><p>a</p>|b")])
    look = "SELECT chunk FROM document_embedding_store ORDER BY chunk_seq"
    eventually(lambda: db.sql(look) == [("<html><p>a</p>",), ("b",)], what="the page's own text")


@pytest.mark.parametrize(
    "statement", ["DELETE FROM document", "TRUNCATE document", "UPDATE document SET id = DEFAULT, uri = 's3://none/x'"]
)
def test_what_is_remembered_of_an_object_goes_with_its_row(db, bucket, stub, statement):
    db.sql(TABLE)
    vectorizer.create(db, stub.url, loading=FROM_S3)
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("a.txt", "a|b")])
    origin = "SELECT id FROM ai._vectorizer_origin_1"
    eventually(lambda: db.sql(origin) == [(1,)], what="the object's version to be remembered")
    db.sql(statement)
    assert db.sql(origin) == []


def test_without_its_memory_of_objects_a_vectorizer_goes_on(db, bucket, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url, loading=FROM_S3)
    db.sql("DROP TABLE ai._vectorizer_origin_1")
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("a.txt", "a|b")])
    look = "SELECT chunk FROM document_embedding_store ORDER BY chunk_seq"
    eventually(lambda: db.sql(look) == [("a",), ("b",)], what="the document to be embedded")
    db.sql("DELETE FROM document")
    assert db.sql(look) == []


def test_a_question_finds_the_right_document(db, bucket, embedder):
    db.sql(TABLE)
    for key, text in TOPICS.items():
        db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put(key, text)])
    embedding = f"ai.embedding_openai('all-MiniLM-L6-v2', 384, base_url => '{embedder.url}')"
    vectorizer.create(db, embedder.url, loading=FROM_S3, embedding=embedding, name="'topics'")
    vectorizer.idle(db)

    def nearest(question: str) -> str:
        return db.value(
            "SELECT uri FROM document_embedding ORDER BY embedding <=> ai.vectorizer_embed('topics', %s) LIMIT 1",
            [question],
        )

    assert nearest("How do I bake a loaf?") == bucket.uri("bread.md")
    assert nearest("Which rock flows out of mountains?") == bucket.uri("volcano.txt")
    assert nearest("rules of a board game") == bucket.uri("chess.md")
    assert nearest("What size of clothes fits me?") == bucket.uri("Größe & +100%.txt")


def test_touching_a_row_reads_its_object_again(db, bucket, stub):
    db.sql(TABLE)
    uri = bucket.put("a.txt", "first|same")
    db.sql("INSERT INTO document (uri) VALUES (%s)", [uri])
    vectorizer.create(db, stub.url, loading=FROM_S3)
    chunks = "SELECT chunk FROM document_embedding_store ORDER BY chunk_seq"
    eventually(lambda: db.sql(chunks) == [("first",), ("same",)], what="the first version")
    bucket.put("a.txt", "second|same")
    db.sql("UPDATE document SET updated_at = now()")
    eventually(lambda: db.sql(chunks) == [("second",), ("same",)], what="the second version")
    assert stub.embedded == {"first": 1, "same": 1, "second": 1}


@pytest.mark.parametrize(
    "key, body, uri, code",
    [
        (None, None, "s3://{bucket}/missing.txt", "no_such_key"),
        (None, None, "s3://no-such-bucket-anywhere/a.txt", "no_such_bucket"),
        (None, None, "https://example.com/a.txt", None),
        (None, None, "file:///etc/passwd", None),
        (None, None, "not a uri", None),
        ("a.pdf", b"%PDF-1.7 ...", "s3://{bucket}/a.pdf", "damaged_document"),
        ("a.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "s3://{bucket}/a.png", "unsupported_type"),
        ("big.txt", b"x" * (65 * 2**20), "s3://{bucket}/big.txt", "too_large"),
    ],
)
def test_what_cannot_be_loaded_is_set_aside_with_a_reason(db, bucket, stub, key, body, uri, code):
    db.sql(TABLE)
    if key:
        bucket.put(key, body)
    db.sql("INSERT INTO document (uri) VALUES (%s), (%s)", [uri and uri.format(bucket=bucket.name), bucket.put("good", "ok")])
    vectorizer.create(db, stub.url, loading=FROM_S3)
    details = failure(db)
    assert code is None or details["code"] == code
    assert details["key"] == {"id": "1"} and details["is_retryable"] is False
    assert details["error_reason"] and details["hint"]
    [[step, message]] = db.sql("SELECT failure_step, failure_message FROM ai._vectorizer_q_failed_1")
    assert (step, message) == (details["step"], details["error_reason"])
    eventually(lambda: db.sql("SELECT chunk FROM document_embedding_store") == [("ok",)], what="its neighbour")
    vectorizer.idle(db)


@pytest.mark.parametrize("uri", [None, ""])
def test_a_row_without_an_address_has_no_document(db, bucket, stub, uri):
    db.sql(TABLE)
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put("a.txt", "was there")])
    vectorizer.create(db, stub.url, loading=FROM_S3)
    eventually(lambda: db.sql("SELECT chunk FROM document_embedding_store") == [("was there",)], what="the chunk")
    db.sql("UPDATE document SET uri = %s", [uri])
    eventually(lambda: db.sql("SELECT chunk FROM document_embedding_store") == [], what="no chunk")
    vectorizer.idle(db)
    assert db.sql("SELECT * FROM ai._vectorizer_q_failed_1") == []
    assert db.sql("SELECT * FROM ai.vectorizer_errors") == []


def test_what_was_set_aside_comes_back_when_asked(db, bucket, stub):
    db.sql(TABLE)
    db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.uri("late.txt")])
    vectorizer.create(db, stub.url, loading=FROM_S3)
    failure(db)
    bucket.put("late.txt", "here now")
    assert db.value("SELECT ai.retry_failed(1)") == 1
    eventually(lambda: db.sql("SELECT chunk FROM document_embedding_store") == [("here now",)])
    assert db.sql("SELECT * FROM ai._vectorizer_q_failed_1") == []


def test_only_allowed_addresses_are_loaded(cluster_factory, bucket, stub):
    cluster = cluster_factory(conf={"pgai_rs.allowed_uris": f"s3://{bucket.name}/open/"})
    db = cluster.create_database("allowed")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    for key in ["open/a.txt", "closed/b.txt"]:
        db.sql("INSERT INTO document (uri) VALUES (%s)", [bucket.put(key, key)])
    vectorizer.create(db, stub.url, loading=FROM_S3)
    assert failure(db)["key"] == {"id": "2"}
    eventually(lambda: db.sql("SELECT chunk FROM document_embedding_store") == [("open/a.txt",)])


def test_a_refused_input_harms_nobody_else(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    poisoned = lambda request: "poison" in request.inputs  # noqa: E731
    stub.fail(math.inf, when=poisoned, status=400, error={"message": "no", "type": "invalid_request_error"})
    db.sql("INSERT INTO document SELECT i, CASE i WHEN 77 THEN 'poison' ELSE 'row ' || i END FROM generate_series(1, 200) i")
    vectorizer.create(db, stub.url)
    eventually(lambda: len(vectorizer.stored(db, ["id"])) == 199, what="the other rows")
    assert failure(db)["key"] == {"id": "77"}


def test_a_model_of_another_dimension_says_so_and_loses_nothing(db, stub):
    stub.fail(math.inf, spoil="dimensions")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (1, 'a')")
    vectorizer.create(db, stub.url)
    details = failure(db)
    assert "dimension" in details["error_reason"] and details["hint"] and details["is_retryable"]
    # Between one try and the next.
    settles(lambda: db.sql("SELECT id, attempts, lease FROM ai._vectorizer_work_1"), [(1, 0, None)])


def test_bytea_columns_hold_documents_too(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body bytea)")
    db.sql("INSERT INTO document VALUES (1, convert_to('Größe|two', 'UTF8')), (2, '\\x89504e470d0a1a0a')")
    vectorizer.create(db, stub.url)
    eventually(lambda: [row[2] for row in vectorizer.stored(db, ["id"])] == ["Größe", "two"])
    assert failure(db)["code"] == "unsupported_type"
